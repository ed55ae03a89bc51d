"""/api/server, /api/system-config and the public pages."""

import os
import platform
from importlib.resources import files
from typing import Any

from aiohttp import web

from photo_server import VERSION
from photo_server.api import views
from photo_server.api.access import Call, Route
from photo_server.api.bodies import Body, reply
from photo_server.config import InvalidConfig, SystemConfig, default_values, differences, merge
from photo_server.errors import ApiError
from photo_server.media import IMAGES, SIDECARS, VIDEOS

_PAGE = files("photo_server").joinpath("web/index.html").read_text()
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


async def ping(_call: Call) -> web.Response:
    """A constant: nothing behind it is asked."""
    return reply({"res": "pong"})


async def version(_call: Call) -> web.Response:
    """The release whose interface is kept."""
    major, minor, patch = VERSION
    return reply({"major": major, "minor": minor, "patch": patch, "prerelease": None})


async def config(call: Call) -> web.Response:
    """What a client needs before anybody logs in."""
    settings, environment = call.server.config, call.server.environment
    initialised = await call.store.admin_exists()
    return reply(
        {
            "loginPageMessage": settings.at("server.loginPageMessage"),
            "trashDays": settings.at("trash.days"),
            "userDeleteDelay": settings.at("user.deleteDelay"),
            "oauthButtonText": settings.at("oauth.buttonText"),
            "isInitialized": initialised or not environment.allow_setup,
            "isOnboarded": settings.from_file or initialised,
            "externalDomain": settings.external_domain(),
            "publicUsers": settings.at("server.publicUsers"),
            "mapDarkStyleUrl": settings.at("map.darkStyle"),
            "mapLightStyleUrl": settings.at("map.lightStyle"),
            "minFaces": settings.at("machineLearning.facialRecognition.minFaces"),
            "maintenanceMode": False,
        }
    )


async def features(call: Call) -> web.Response:
    """What is switched on."""
    settings = call.server.config
    learns = settings.at("machineLearning.enabled")
    return reply(
        {
            "smartSearch": learns and settings.at("machineLearning.clip.enabled"),
            "facialRecognition": learns and settings.at("machineLearning.facialRecognition.enabled"),
            "duplicateDetection": learns and settings.at("machineLearning.duplicateDetection.enabled"),
            "ocr": learns and settings.at("machineLearning.ocr.enabled"),
            "map": settings.at("map.enabled"),
            "reverseGeocoding": settings.at("reverseGeocoding.enabled"),
            "importFaces": False,
            "sidecar": True,
            "search": True,
            "trash": settings.at("trash.enabled"),
            "oauth": settings.at("oauth.enabled"),
            "oauthAutoLaunch": settings.at("oauth.autoLaunch"),
            "passwordLogin": settings.at("passwordLogin.enabled"),
            "configFile": settings.from_file,
            "email": settings.at("notifications.smtp.enabled"),
            "realtimeTranscoding": False,
        }
    )


async def about(_call: Call) -> web.Response:
    """What runs: the honest answer is in `repository`."""
    return reply(
        {
            "version": f"v{'.'.join(map(str, VERSION))}",
            "versionUrl": "",
            "licensed": False,
            "repository": "lab stand-in, not Immich",
            "nodejs": f"Python {platform.python_version()}",
        }
    )


async def media_types(_call: Call) -> web.Response:
    """The endings of files that are taken."""
    return reply({"image": sorted(IMAGES), "video": sorted(VIDEOS), "sidecar": sorted(SIDECARS)})


async def storage(call: Call) -> web.Response:
    """The file system of the library, as statvfs tells it: with a quota, the quota."""
    disk = os.statvfs(call.server.environment.media_location / "library")
    size, available = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    return reply(
        {
            "diskSize": human(size),
            "diskUse": human(used),
            "diskAvailable": human(available),
            "diskSizeRaw": size,
            "diskUseRaw": used,
            "diskAvailableRaw": available,
            "diskUsagePercentage": round(100 * used / size, 2) if size else 0.0,
        }
    )


def human(size: int) -> str:
    """Bytes as Immich shows them: 1536 is `1.5 KiB`."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} B"


async def statistics(call: Call) -> web.Response:
    """What all users keep together, and each."""
    users = [views.usage(usage) for usage in await call.store.usage()]
    totals = {name: sum(user[name] for user in users) for name in ("photos", "videos", "usagePhotos", "usageVideos")}
    return reply(totals | {"usage": sum(user["usage"] for user in users), "usageByUser": users})


async def system_config(call: Call) -> web.Response:
    """The merged settings."""
    return reply(call.server.config.values)


async def system_config_defaults(call: Call) -> web.Response:
    """The settings without a file."""
    return reply(default_values(call.server.environment))


async def set_system_config(call: Call) -> web.Response:
    """Stores settings; refused while a file rules. Machine learning and concurrency change at the next start."""
    if call.server.config.from_file:
        raise ApiError(400, "Cannot update configuration while IMMICH_CONFIG_FILE is in use")
    defaults = default_values(call.server.environment)
    try:
        values, _ = merge(defaults, (await Body.of(call.request)).values)
    except InvalidConfig as error:
        raise ApiError(400, str(error)) from None
    await call.store.set_metadata("system-config", differences(defaults, values))
    call.server.config = SystemConfig(values, from_file=False)
    return reply(values)


async def well_known(_call: Call) -> web.Response:
    """Where clients find the API."""
    answer: dict[str, Any] = {"api": {"endpoint": "/api"}}
    return reply(answer)


async def page(_call: Call) -> web.Response:
    """The one page: who this is, a login, and the pictures."""
    return web.Response(text=_PAGE, content_type="text/html", headers={"Cache-Control": "no-cache"})


ROUTES = (
    Route("GET", "/api/server/ping", ping),
    Route("GET", "/api/server/version", version),
    Route("GET", "/api/server/config", config),
    Route("GET", "/api/server/features", features),
    Route("GET", "/api/server/media-types", media_types),
    Route("GET", "/api/server/about", about, "server.about"),
    Route("GET", "/api/server/storage", storage, "server.storage"),
    Route("GET", "/api/server/statistics", statistics, "server.statistics", admin=True),
    Route("GET", "/api/system-config", system_config, "systemConfig.read", admin=True),
    Route("GET", "/api/system-config/defaults", system_config_defaults, "systemConfig.read", admin=True),
    Route("PUT", "/api/system-config", set_system_config, "systemConfig.update", admin=True),
    Route("GET", "/.well-known/immich", well_known),
    Route("GET", "/", page),
    Route("GET", "/auth/login", page),
    Route("GET", "/photos", page),
)
