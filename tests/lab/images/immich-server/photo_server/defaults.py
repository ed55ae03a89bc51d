"""The settings of Immich that the stand-in knows, with their defaults. The types are those of the values."""

from typing import Any

_CONCURRENCY = {
    "thumbnailGeneration": 3,
    "metadataExtraction": 5,
    "videoConversion": 1,
    "faceDetection": 2,
    "smartSearch": 2,
    "backgroundTask": 5,
    "migration": 5,
    "search": 5,
    "sidecar": 5,
    "library": 5,
    "notifications": 5,
    "ocr": 1,
    "workflow": 5,
    "integrityCheck": 1,
    "editor": 2,
}

DEFAULTS: dict[str, Any] = {
    "backup": {"database": {"enabled": True, "cronExpression": "0 02 * * *", "keepLastAmount": 14}},
    "ffmpeg": {"threads": 0},
    "job": {queue: {"concurrency": number} for queue, number in _CONCURRENCY.items()},
    "logging": {"enabled": True, "level": "log"},
    "machineLearning": {
        "enabled": True,
        "urls": ["http://immich-machine-learning:3003"],
        "availabilityChecks": {"enabled": True, "timeout": 2000, "interval": 30000},
        "clip": {"enabled": True, "modelName": "ViT-B-32__openai"},
        "duplicateDetection": {"enabled": True, "maxDistance": 0.01},
        "facialRecognition": {
            "enabled": True,
            "modelName": "buffalo_l",
            "minScore": 0.7,
            "maxDistance": 0.5,
            "minFaces": 3,
        },
        "ocr": {"enabled": True, "modelName": "PP-OCRv5_mobile", "maxResolution": 736},
    },
    "map": {
        "enabled": True,
        "lightStyle": "https://tiles.immich.cloud/v1/style/light.json",
        "darkStyle": "https://tiles.immich.cloud/v1/style/dark.json",
    },
    "reverseGeocoding": {"enabled": True},
    "oauth": {
        "enabled": False,
        "issuerUrl": "",
        "clientId": "",
        "clientSecret": "",
        "scope": "openid email profile",
        "autoLaunch": False,
        "autoRegister": True,
        "buttonText": "Login with OAuth",
    },
    "passwordLogin": {"enabled": True},
    "storageTemplate": {
        "enabled": False,
        "hashVerificationEnabled": True,
        "template": "{{y}}/{{y}}-{{MM}}-{{dd}}/{{filename}}",
    },
    "image": {
        "thumbnail": {"format": "webp", "size": 250, "quality": 80},
        "preview": {"format": "jpeg", "size": 1440, "quality": 80},
    },
    "newVersionCheck": {"enabled": True, "channel": "stable"},
    "nightlyTasks": {"startTime": "00:00", "syncQuotaUsage": True},
    "integrityChecks": {
        "missingFiles": {"enabled": True, "cronExpression": "0 03 * * *"},
        "untrackedFiles": {"enabled": True, "cronExpression": "0 03 * * *"},
        "checksumFiles": {"enabled": True, "cronExpression": "0 03 * * *"},
    },
    "trash": {"enabled": True, "days": 30},
    "theme": {"customCss": ""},
    "library": {"scan": {"enabled": True, "cronExpression": "0 0 * * *"}, "watch": {"enabled": False}},
    "notifications": {
        "smtp": {
            "enabled": False,
            "from": "",
            "replyTo": "",
            "transport": {
                "host": "",
                "port": 587,
                "secure": False,
                "ignoreCert": False,
                "username": "",
                "password": "",
            },
        }
    },
    "server": {"externalDomain": "", "loginPageMessage": "", "publicUsers": True},
    "user": {"deleteDelay": 7},
}
