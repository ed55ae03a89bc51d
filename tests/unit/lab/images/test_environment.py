import ipaddress
from pathlib import Path

import pytest
from photo_server.environment import read_environment
from photo_server.errors import StartError


def test_an_empty_environment_gives_the_defaults_of_immich():
    environment = read_environment({})
    assert environment.database.host == "database"
    assert environment.database.user == environment.database.password == "postgres"
    assert environment.cache.host == "redis"
    assert environment.port == 2283
    assert environment.media_location == Path("/data")
    assert environment.config_file is None
    assert environment.allow_setup
    assert environment.workers == {"api", "microservices"}


def test_an_empty_variable_counts_as_not_set():
    assert read_environment({"IMMICH_PORT": ""}).port == 2283


def test_vector_extensions_have_the_names_of_the_database():
    assert read_environment({"DB_VECTOR_EXTENSION": "pgvector"}).database.vector_extension == "vector"
    assert read_environment({}).database.vector_extension is None


def test_only_named_proxies_and_loopback_are_trusted():
    trusted = read_environment({"IMMICH_TRUSTED_PROXIES": "10.83.0.1, fd00::/8"}).trusted_proxies
    assert ipaddress.ip_network("10.83.0.1/32") in trusted
    assert ipaddress.ip_network("127.0.0.0/8") in trusted
    assert ipaddress.ip_network("10.0.0.0/8") not in trusted


def test_all_private_networks_are_trusted_by_default():
    assert ipaddress.ip_network("192.168.0.0/16") in read_environment({}).trusted_proxies


def test_workers_can_be_left_out():
    assert read_environment({"IMMICH_WORKERS_EXCLUDE": "microservices"}).workers == {"api"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMMICH_PORT", "many"),
        ("IMMICH_ALLOW_SETUP", "maybe"),
        ("IMMICH_MEDIA_LOCATION", "data"),
        ("DB_VECTOR_EXTENSION", "pgvecto.rs"),
        ("DB_SSL_MODE", "perhaps"),
        ("IMMICH_TRUSTED_PROXIES", "everybody"),
        ("IMMICH_WORKERS_INCLUDE", "api,cooks"),
    ],
)
def test_a_bad_value_is_one_sentence_with_its_name(name, value):
    with pytest.raises(StartError) as caught:
        read_environment({name: value})
    message = str(caught.value)
    assert value.split(",")[-1] in message
    assert "\n" not in message
