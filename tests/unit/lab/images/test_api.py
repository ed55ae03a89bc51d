"""The API of the stand-in for the photo server, where the project depends on how Immich answers (as of 3.0.3)."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer
from photo_server.api import create_app
from photo_server.config import load_config
from photo_server.environment import read_environment
from photo_server.queues import NAMES, Counts
from photo_server.records import User

ADMIN = {"email": "placeholder@silo.invalid", "password": "first of all", "name": "Nobody"}


class Store:
    """Users and sessions in memory; `away` is a database that does not answer."""

    def __init__(self):
        self.users, self.sessions = {}, {}
        self.away = False

    async def admin_exists(self):
        if self.away:
            raise ConnectionRefusedError(111, "Connect call failed")
        return any(user.is_admin for user in self.users.values())

    async def create_first_admin(self, email, password, name):
        if await self.admin_exists():
            return None
        return self.add(email=email, password=password, name=name, is_admin=True, storage_label="admin")

    def add(self, **values):
        now = datetime.now(UTC)
        given = dict.fromkeys(field.name for field in dataclasses.fields(User))
        given |= {"id": uuid4(), "created_at": now, "updated_at": now, "status": "active", "quota_usage_in_bytes": 0}
        # The default of the table.
        given |= {"should_change_password": True, "is_admin": False, **values}
        user = User(**given)
        self.users[user.id] = user
        return user

    async def user_by_email(self, email):
        return next((user for user in self.users.values() if user.email == email), None)

    async def update_user(self, user_id, values):
        self.users[user_id] = dataclasses.replace(self.users[user_id], **values)
        return self.users[user_id]

    async def create_session(self, user_id, token):
        self.sessions[token] = user_id

    async def user_of_session(self, token):
        return self.users.get(self.sessions.get(token))

    async def end_sessions(self, user_id, except_token):
        self.sessions = {token: of for token, of in self.sessions.items() if of != user_id or token == except_token}

    async def assets_without_embedding(self, _everything):
        return [uuid4()]


class Queue:
    """A queue with as many jobs as a test says."""

    def __init__(self, name):
        self.name, self.active, self.waiting, self.paused = name, 0, 0, False

    async def counts(self):
        return Counts(self.active, self.waiting, 0, self.paused)

    async def add(self, ids):
        self.waiting += len(ids)

    async def pause(self, paused):
        self.paused = paused


class Cloud:
    """A photo server, and what it answers."""

    def __init__(self, allow_setup=True):
        environment = read_environment({"IMMICH_ALLOW_SETUP": str(allow_setup).lower()})
        self.store = Store()
        self.queues = {name: Queue(name) for name in NAMES}
        config, _unknown = load_config(environment, {})
        parts = {"environment": environment, "config": config, "store": self.store, "queues": self.queues}
        self.server = SimpleNamespace(**parts)

    def ask(self, *calls):
        """Makes calls, each (method, path, body, token), with one server; the answers, each (status, JSON)."""

        async def run():
            answers = []
            async with TestClient(TestServer(create_app(self.server))) as client:
                for method, path, body, token in calls:
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    async with client.request(method, f"/api{path}", json=body, headers=headers) as answer:
                        answers.append((answer.status, None if answer.status == 204 else await answer.json()))
            return answers

        return asyncio.run(run())

    def call(self, method, path, body=None, token=""):
        """One call; its answer."""
        return self.ask((method, path, body, token))[0]

    def log_in(self, **changes):
        given = {"email": ADMIN["email"], "password": ADMIN["password"], **changes}
        status, answer = self.call("POST", "/auth/login", given)
        assert status == 201, answer
        return answer["accessToken"]


@pytest.fixture
def cloud():
    made = Cloud()
    status, admin = made.call("POST", "/auth/admin-sign-up", ADMIN)
    assert (status, admin["isAdmin"], admin["storageLabel"]) == (201, True, "admin")
    return made


def test_the_first_admin_should_change_the_password_and_there_is_no_second(cloud):
    assert cloud.call("POST", "/auth/login", {**ADMIN})[1]["shouldChangePassword"] is True
    second = cloud.call("POST", "/auth/admin-sign-up", ADMIN)
    assert second == (400, {"message": "The server already has an admin"})


def test_set_up_that_is_closed_counts_as_initialised_and_refuses_sign_up():
    closed = Cloud(allow_setup=False)
    assert closed.call("POST", "/auth/admin-sign-up", ADMIN) == (400, {"message": "Admin setup is disabled"})
    assert closed.call("GET", "/server/config")[1]["isInitialized"] is True
    assert Cloud().call("GET", "/server/config")[1]["isInitialized"] is False


def test_a_body_that_is_wrong_is_said_before_anything_else():
    status, answer = Cloud(allow_setup=False).call("POST", "/auth/admin-sign-up", {**ADMIN, "email": "nobody"})
    assert (status, answer["message"]) == (400, "Validation failed")
    assert answer["errors"] == [{"code": "custom", "path": ["email"], "message": "Invalid email address"}]


def test_without_a_database_the_ping_answers_and_the_configuration_does_not(cloud):
    cloud.store.away = True
    assert cloud.call("GET", "/server/ping") == (200, {"res": "pong"})
    assert cloud.call("GET", "/server/config") == (500, {"message": "Internal server error"})


def test_one_changes_ones_own_address_and_name(cloud):
    token = cloud.log_in()
    given = {"email": "Hans@Example.ch", "name": "Hans"}
    status, answer = cloud.call("PUT", "/users/me", given, token)
    assert (status, answer["email"], answer["name"]) == (200, "hans@example.ch", "Hans")
    assert answer["shouldChangePassword"] is True
    assert cloud.call("POST", "/auth/login", ADMIN)[0] == 401
    cloud.log_in(email="hans@example.ch")


def test_ones_own_update_sets_a_password_that_need_not_be_changed(cloud):
    token = cloud.log_in()
    status, answer = cloud.call("PUT", "/users/me", {"password": "another one"}, token)
    assert (status, answer["shouldChangePassword"]) == (200, False)
    cloud.log_in(password="another one")


def test_an_address_of_another_account_is_refused(cloud):
    cloud.store.add(email="maria@example.ch", password="x", name="Maria")
    refused = cloud.call("PUT", "/users/me", {"email": "maria@example.ch"}, cloud.log_in())
    assert refused == (400, {"message": "Email is not available"})
    assert cloud.call("PUT", "/users/me", {"email": ADMIN["email"]}, cloud.log_in())[0] == 200


def test_nobody_changes_what_is_not_theirs(cloud):
    assert cloud.call("PUT", "/users/me", {"name": "x"})[0] == 401


@pytest.mark.parametrize("flag", [{}, {"invalidateSessions": True}, {"invalidateSessions": False}])
def test_another_password_ends_all_other_sessions_and_should_be_changed_still(cloud, flag):
    own, other = cloud.log_in(), cloud.log_in()
    body = {"password": ADMIN["password"], "newPassword": "theirs alone", **flag}
    status, answer = cloud.call("POST", "/auth/change-password", body, own)
    assert (status, answer["shouldChangePassword"]) == (200, True)
    assert cloud.call("GET", "/users/me", token=own)[0] == 200
    assert cloud.call("GET", "/users/me", token=other)[0] == 401
    cloud.log_in(password="theirs alone")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"password": "wrong", "newPassword": "long enough"}, "Wrong password"),
        ({"password": ADMIN["password"], "newPassword": "short"}, "Validation failed"),
        ({"password": ADMIN["password"], "newPassword": "long enough", "invalidateSessions": 1}, "Validation failed"),
    ],
)
def test_a_password_that_is_not_changed_ends_no_session(cloud, given, message):
    own, other = cloud.log_in(), cloud.log_in()
    status, answer = cloud.call("POST", "/auth/change-password", given, own)
    assert (status, answer["message"]) == (400, message)
    assert cloud.call("GET", "/users/me", token=other)[0] == 200


def test_only_active_jobs_are_a_reason_not_to_start(cloud):
    token, queue = cloud.log_in(), cloud.queues["smartSearch"]
    queue.waiting = 3
    status, answer = cloud.call("PUT", "/jobs/smartSearch", {"command": "start"}, token)
    assert (status, answer["jobCounts"]["waiting"]) == (200, 4)
    queue.active = 1
    busy = cloud.call("PUT", "/jobs/smartSearch", {"command": "start"}, token)
    assert busy == (400, {"message": "Job is already running"})


def test_a_queue_that_does_not_exist_is_another_400_than_a_busy_one(cloud):
    status, answer = cloud.call("PUT", "/jobs/smart", {"command": "start"}, cloud.log_in())
    assert (status, answer["message"]) == (400, "Validation failed")


def test_a_dump_is_a_job_of_the_admin(cloud):
    token = cloud.log_in()
    assert cloud.call("POST", "/jobs", {"name": "backup-database"}, token) == (204, None)
    assert cloud.queues["backupDatabase"].waiting == 1
    assert cloud.call("POST", "/jobs", {"name": "user-cleanup"}, token) == (204, None)
    status, answer = cloud.call("POST", "/jobs", {"name": "backup"}, token)
    assert (status, answer["message"]) == (400, "Validation failed")
    assert cloud.call("POST", "/jobs", {"name": "backup-database"})[0] == 401


def test_what_a_queue_takes_is_what_the_real_one_takes(cloud):
    token = cloud.log_in()
    answers = {name: cloud.call("PUT", f"/jobs/{name}", {"command": "start"}, token) for name in ("sidecar", "search")}
    assert answers["sidecar"][0] == 200
    assert answers["search"] == (400, {"message": "Invalid job name: search"})
    status, _answer = cloud.call("PUT", "/queues/ocr", {"isPaused": True}, token)
    assert (status, cloud.queues["ocr"].paused) == (200, True)
    refused = cloud.call("PUT", "/queues/backgroundTask", {"isPaused": True}, token)
    assert refused == (400, {"message": "The BackgroundTask queue cannot be paused"})
