"""The website of the checkout. It sets no cookie; what it must believe is in signed links.

All that it stores are addresses of people who ask for their link to pay, until the worker takes them a moment later.

Whatever fails, the page says so in the reader's language, and that nothing was ordered.
"""

from __future__ import annotations

import asyncio
import collections
import http
import logging
import time
import typing as t
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.source_limits import Limiter, source_of
from prometheus_client import CollectorRegistry, Counter, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from silo import email_address
from silo.billing.checkout import pages
from silo.billing.checkout.account import SESSION, Account
from silo.billing.checkout.catalogue import Catalogue, CatalogueFile
from silo.billing.checkout.link_requests import LinkRequests
from silo.billing.checkout.links import HOUR, ORDER_DAYS, LinkError, Links, Order, Payment
from silo.billing.checkout.prices import Offer
from silo.billing.errors import BillingError, NeedsAttention, TryLater
from silo.languages import LANGUAGES
from silo.tenant import names

_log = logging.getLogger(__name__)

Status = http.HTTPStatus
LARGEST_FORM, FORM_SECONDS, MOST_FIELDS = 8192, 10.0, 8
# The most requests to Stripe at the same time. More than these are not customers, and Stripe limits an account too.
MOST_AT_STRIPE = 8
# A link to pay opens the customer portal, in which the subscription can be ended, for so long after it was made.
PORTAL_SECONDS = 72 * HOUR
# Orders whose payment may be under way, so that who goes back and pays again does not pay twice.
MOST_SESSIONS = 10_000
PER_MINUTE = 60
LONGEST_EMAIL = 320
# What Traefik leads here, in the order of the handlers; and what is counted as something else than a page.
PATHS = (
    *(("GET", path) for path in ("/", "/plans", "/plans.js", "/name", "/welcome", "/pay")),
    *(("POST", path) for path in ("/checkout", "/pay")),
)
KINDS = {("GET", "/name"): "name", ("POST", "/checkout"): "order", ("POST", "/pay"): "order"}

Handler = Callable[["Visit"], Awaitable[Response]]


def limits(per_minute: int) -> Mapping[str, int]:
    """Return the requests of one source in a minute, by kind.

    They are pages, names while they are typed, what writes at Stripe, and letters with a link.
    """
    few = max(1, per_minute // 6)
    return {"page": per_minute, "name": max(1, per_minute * 2 // 3), "order": few, "letter": max(1, few // 2)}


class Visit:
    """A request with the language of its reader; `form` are the fields of a POST."""

    def __init__(self, request: Request, catalogue: Catalogue, form: Mapping[str, str]) -> None:
        """Choose the language."""
        self.query, self.catalogue, self.form = request.query_params, catalogue, form
        self.source = source_of(request.headers.get("x-forwarded-for", ""))
        asked = form.get("lang") or self.query.get("lang", "")
        self.language = pages.language_of(asked, request.headers.get("accept-language", ""))

    def prefer(self, language: str) -> None:
        """Take the language of a link, unless the reader has chosen another."""
        if language in LANGUAGES and not self.query.get("lang") and not self.form:
            self.language = language

    def page(
        self, name: str, status: Status = Status.OK, query: Mapping[str, str] | None = None, **more: t.Any
    ) -> Response:
        """Return the page `name`."""
        return _html(pages.render(self.catalogue, self.language, name, query, **more), status)

    def url(self, path: str, **query: str) -> str:
        """Return an address of this website."""
        return f"https://{self.catalogue.host}{path}?{urllib.parse.urlencode({'lang': self.language, **query})}"


class Website:
    """The handlers."""

    def __init__(
        self,
        catalogue: CatalogueFile,
        account: Account,
        links: Links,
        per_minute: Mapping[str, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        requests: LinkRequests | None = None,
    ) -> None:
        """Sell what the catalogue says, by sessions of the account.

        `per_minute` is of `limits`, whose `clock` gives seconds that only grow. `requests` is where addresses are left
        for the worker; without it, or without a relay, nobody can ask for a letter.
        """
        self._requests = requests
        self._catalogue, self._account, self._links = catalogue, account, links
        self._limiters = {kind: Limiter(most, clock) for kind, most in (per_minute or limits(PER_MINUTE)).items()}
        self._at_stripe = asyncio.Semaphore(MOST_AT_STRIPE)
        self._sessions: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "silo_checkout_requests", "Requests to the checkout.", ["page", "status"], registry=self._registry
        )

    def application(self) -> Starlette:
        """Return the ASGI application."""
        handlers = (
            self._home,
            self._plans,
            self._script,
            self._name,
            self._welcome,
            self._pay,
            self._checkout,
            self._lead,
        )
        routes = [
            Route(path, self._guarded(path, KINDS.get((method, path), "page"), handler), methods=[method])
            for (method, path), handler in zip(PATHS, handlers, strict=True)
        ]
        routes += [
            Route("/health", self._health, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]
        return Starlette(routes=routes)

    def _guarded(self, path: str, kind: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Limit and handle a request, count it, and add the headers; no log has its query, which may be a link."""

        async def handle(request: Request) -> Response:
            catalogue = None
            source = source_of(request.headers.get("x-forwarded-for", ""))
            language = pages.language_of(
                request.query_params.get("lang", ""), request.headers.get("accept-language", "")
            )

            def say(name: str, status: Status) -> Response:
                return _html(pages.render(catalogue, language, name), status)

            try:
                catalogue = self._catalogue.read()
                if not self._limiters[kind].allows(source, kind):
                    answer = say("limited", Status.TOO_MANY_REQUESTS)
                    answer.headers["Retry-After"] = "60"
                else:
                    form = await asyncio.wait_for(_form(request), FORM_SECONDS) if request.method == "POST" else {}
                    visit = Visit(request, catalogue, form)
                    # What goes wrong is told in the language of the form, too.
                    language = visit.language
                    answer = await handler(visit)
            except LinkError:
                answer = say("ended", Status.NOT_FOUND)
            except NeedsAttention as error:
                _log.warning("%s: %s", path, error)
                answer = say("ended", Status.NOT_FOUND)
            except TryLater as error:
                _log.error("%s: %s", path, error)
                answer = say("unavailable" if catalogue else "failed", Status.SERVICE_UNAVAILABLE)
            except (_FormError, TimeoutError, ClientDisconnect):
                answer = say("unreadable", Status.BAD_REQUEST)
                answer.headers["Connection"] = "close"
            except Exception as error:
                line = error.__traceback__.tb_lineno if error.__traceback__ else 0
                _log.error("%s: a request failed with %s (line %d)", path, type(error).__name__, line)
                answer = say("failed", Status.INTERNAL_SERVER_ERROR)
            self._answers.labels(path, str(answer.status_code)).inc()
            answer.headers.update(pages.headers(catalogue))
            return answer

        return handle

    async def _ask(self, question: Callable[..., _T], *arguments: t.Any, **more: t.Any) -> _T:
        """Ask Stripe, in a thread; raises TryLater if too many wait for it already."""
        if self._at_stripe.locked():
            raise TryLater(f"more than {MOST_AT_STRIPE} requests wait for Stripe")
        async with self._at_stripe:
            return await asyncio.to_thread(question, *arguments, **more)

    async def _home(self, visit: Visit) -> Response:
        return RedirectResponse("/plans", Status.SEE_OTHER)

    async def _script(self, _visit: Visit) -> Response:
        return Response(pages.script(), media_type="text/javascript")

    async def _plans(self, visit: Visit) -> Response:
        token = visit.query.get("link", "")
        order = self._links.open(token, Order) if token else None
        wished = visit.query.get("name", "")
        return await self._form_page(visit, order, token, chosen=visit.query.get("plan", ""), wished=wished)

    async def _form_page(
        self,
        visit: Visit,
        order: Order | None,
        token: str,
        *,
        chosen: str,
        wished: str = "",
        mistakes: tuple[str, ...] = (),
    ) -> Response:
        """Return the page of the plans; `chosen` is a price or a plan."""
        if order:
            visit.prefer(order.language)
        offers = await self._offers(visit.catalogue)
        wanted = chosen or (order.plan if order else "")
        price = next((one.price.id for one in offers if wanted in (one.price.id, one.plan.name)), "")
        page = pages.plans(
            visit.catalogue,
            visit.language,
            offers,
            chosen=price,
            wished=_shortened(wished),
            link=token,
            own=order.tenant if order else "",
            mistakes=mistakes,
        )
        return _html(page, Status.UNPROCESSABLE_ENTITY if mistakes else Status.OK)

    async def _offers(self, catalogue: Catalogue) -> list[Offer]:
        """Return the plans that can be ordered now, in the operator's order."""
        known = self._account.fresh_prices()
        if known is None:
            known = await self._ask(self._account.prices)
        return [Offer(plan, known[plan.price]) for plan in catalogue.plans if plan.price in known]

    async def _name(self, visit: Visit) -> Response:
        name = _normal(visit.query.get("wished", ""))
        state = visit.catalogue.name_state(name)
        return JSONResponse({"state": state, "text": self._verdict(visit, name)})

    def _verdict(self, visit: Visit, name: str) -> str:
        state, texts = visit.catalogue.name_state(name), pages.texts(visit.language)["names"]
        text = str(texts[state])
        if state == "free":
            return text.format(address=visit.catalogue.address(name))
        near = names.proposal(name) if state == "impossible" else ""
        if near and visit.catalogue.name_state(near) == "free":
            return f"{text} {texts['proposal'].format(name=near)}"
        return text

    async def _checkout(self, visit: Visit) -> Response:
        form, words = visit.form, pages.texts(visit.language)["mistakes"]
        token, chosen = form.get("link", ""), form.get("price", "")
        order = self._links.open(token, Order) if token else None
        wished = _normal(form.get("name", ""))
        name = order.tenant if order else wished
        offer = next((one for one in await self._offers(visit.catalogue) if one.price.id == chosen), None)
        mistakes = [] if offer else [str(words["plan"])]
        # Whom silo gave a link for a tenant of theirs has its name already.
        if not (order and order.own) and visit.catalogue.name_state(name) != "free":
            mistakes.append(self._verdict(visit, name))
        if not mistakes and await self._is_ordered(order, name):
            mistakes.append(str(words["ordered"]))
        if mistakes or offer is None:
            return await self._form_page(
                visit, order, token, chosen=chosen, wished=form.get("name", ""), mistakes=tuple(mistakes)
            )
        customer, email = (order.customer, order.email) if order else ("", "")
        wanted = Order(name, offer.plan.name, visit.language, customer, email)
        back = {"link": token} if token else {"name": name}
        session, page = await self._ask(
            self._account.order,
            wanted,
            offer.price,
            offer.plan.name,
            success_url=visit.url("/welcome") + "&session_id={CHECKOUT_SESSION_ID}",
            cancel_url=visit.url("/plans", plan=offer.plan.name, **back),
        )
        self._remember(name, session)
        return self._to_stripe(visit, page)

    async def _is_ordered(self, order: Order | None, name: str) -> bool:
        """Return whether this name is paid for already, although there is no tenant of it yet."""
        if order and order.customer:
            return await self._ask(self._account.has_ordered, order)
        if (session := self._sessions.get(name)) is None:
            return False
        found = await self._ask(self._account.ordered, session)
        return found.state in ("paid", "free", "pending")

    def _remember(self, name: str, session: str) -> None:
        self._sessions[name] = session
        self._sessions.move_to_end(name)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)

    async def _welcome(self, visit: Visit) -> Response:
        session = visit.query.get("session_id", "")
        if not SESSION.fullmatch(session):
            return visit.page("missing", Status.NOT_FOUND, {})
        found = await self._ask(self._account.ordered, session)
        again = found.returns and found.state in ("paid", "free")
        name = f"{found.state}_again" if again else found.state
        return visit.page(name, query={"session_id": session}, tenant=found.tenant)

    async def _pay(self, visit: Visit) -> Response:
        """Show where to pay; the session is made by the button, because mail filters open links."""
        token = visit.query.get("link", "")
        if not token:
            return self._ask_page(visit)
        payment = self._links.open(token, Payment)
        visit.prefer(payment.language)
        return visit.page("pay", query={"link": token}, tenant=payment.tenant, link=token)

    async def _lead(self, visit: Visit) -> Response:
        """Lead to what the customer owes; without a debt to the portal, or to the plans if the subscription ended."""
        token = visit.form.get("link", "")
        if not token and "email" in visit.form:
            return await self._request_link(visit)
        payment = self._links.open(token, Payment)
        debt = await self._ask(self._account.debt, payment)
        if debt.has_ended:
            order = Order(payment.tenant, language=visit.language, customer=debt.customer, own=True)
            again = self._links.make(order, ORDER_DAYS)
            return RedirectResponse(visit.url("/plans", link=again), Status.SEE_OTHER)
        if debt.page:
            return self._to_stripe(visit, debt.page)
        if self._links.age(token) > PORTAL_SECONDS:
            return visit.page("settled", tenant=payment.tenant)
        home = visit.catalogue.address(payment.tenant)
        return self._to_stripe(visit, await self._ask(self._account.portal, debt.customer, home, visit.language))

    def _ask_page(self, visit: Visit, mistakes: tuple[str, ...] = (), email: str = "") -> Response:
        """Show where a customer without a link gets one; who has lost the letter gives the address."""
        if not self._can_ask(visit):
            return visit.page("letter", query={})
        status = Status.UNPROCESSABLE_ENTITY if mistakes else Status.OK
        return visit.page("ask", status, {}, mistakes=mistakes, email=email)

    def _can_ask(self, visit: Visit) -> bool:
        return bool(visit.catalogue.letters and self._requests and self._requests.can_take)

    async def _request_link(self, visit: Visit) -> Response:
        """Leave an address for the worker; the answer is the same whether a customer has it or not."""
        email = visit.form["email"].strip()[:LONGEST_EMAIL]
        if not self._can_ask(visit) or self._requests is None:
            return visit.page("letter", query={})
        if email_address.problem(email):
            return self._ask_page(visit, (str(pages.texts(visit.language)["mistakes"]["email"]),), email)
        if not self._limiters["letter"].allows(visit.source, "letter"):
            return self._busy(visit)
        if not await asyncio.to_thread(self._requests.leave, email):
            _log.error("too many wait for their link to pay; the worker sends none")
            return self._busy(visit)
        return visit.page("asked")

    def _busy(self, visit: Visit) -> Response:
        answer = visit.page("limited", Status.TOO_MANY_REQUESTS)
        answer.headers["Retry-After"] = "60"
        return answer

    def _to_stripe(self, visit: Visit, page: str) -> Response:
        where = urllib.parse.urlsplit(page)
        origin = f"{where.scheme}://{where.netloc}"
        if origin not in visit.catalogue.payment_pages:
            text = "Stripe's page is at %s, where browsers refuse to go; add it to billing_checkout_payment_pages"
            _log.error(text, origin)
        return RedirectResponse(page, Status.SEE_OTHER)

    async def _health(self, _request: Request) -> Response:
        try:
            self._catalogue.read()
        except BillingError as error:
            return PlainTextResponse(f"{error}\n", 503)
        return PlainTextResponse("ok\n")

    async def _metrics(self, _request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4")


_T = t.TypeVar("_T")


class _FormError(Exception):
    """A form is too large, or no form."""


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form, of each the first value; raises _FormError, ClientDisconnect."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise _FormError
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise _FormError
    try:
        pairs = urllib.parse.parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _FormError from None
    return dict(reversed(pairs))


def _html(page: str, status: Status) -> Response:
    return Response(page, status, media_type="text/html")


def _normal(wished: str) -> str:
    """Return the name that somebody means who types it, or what was typed if it means none."""
    return names.meant(_shortened(wished)) or _shortened(wished)


def _shortened(text: str) -> str:
    return text[:64]
