#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: learning_models
short_description: Put the models of the machine learning into place, by their digests
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - The models are C(models/<task>/<name>) below a directory, and belong to root. C(models.json) beside them is the
    record of all files, with their digests.
  - Without O(source), the module changes nothing, and returns what is missing.
  - With O(source), it replaces all models at once, and then removes the source.
options:
  directory:
    description: The directory on the server.
    type: path
    required: true
  models:
    description: The models that should be there. Others go with the next change.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, as Immich has it.
        type: str
        required: true
      task:
        description: Immich's task.
        type: str
        required: true
        choices: [clip, facial-recognition, ocr]
      digest:
        description: The digest of its files, as RV(digests) tells it; without one, any is accepted.
        type: str
        default: ""
  source:
    description: A directory or a tar archive on the server, with files below C(<task>/<name>).
    type: path
  archive_digest:
    description: The digest of the archive, as C(sha256:...); without one, any is accepted.
    type: str
    default: ""
attributes:
  check_mode:
    description: Changes nothing, and is a change if a model is missing.
    support: full
  diff_mode:
    description: It has no diff; the result says what is missing.
    support: none
"""

EXAMPLES = r"""
- name: See whether the models are there
  swissphoto.silo.learning_models:
    directory: /srv/silo/machine_learning
    models: [{name: buffalo_l, task: facial-recognition}]
  register: models

- name: Put them there
  swissphoto.silo.learning_models:
    directory: /srv/silo/machine_learning
    models: [{name: buffalo_l, task: facial-recognition}]
    source: /srv/silo/machine_learning/download
  when: models.missing | length > 0
"""

RETURN = r"""
missing:
  description: The models that are not there as they should be.
  returned: success
  type: list
  elements: str
  sample: [buffalo_l]
digests:
  description: Model to the digest of its files.
  returned: success
  type: dict
  sample: {buffalo_l: "sha256:3f6c..."}
preload:
  description: The environment with which Immich's service loads the models when it starts.
  returned: success
  type: dict
  sample: {MACHINE_LEARNING_PRELOAD__CLIP__VISUAL: ViT-B-32__openai}
record:
  description: One digest of all files.
  returned: success
  type: str
"""

import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.learning import models as library
from ..module_utils.learning.models import Model, ModelsError
from ..module_utils.quota.base import QuotaError
from ..module_utils.quota.directory_tree import remove_tree

MODEL = {
    "name": {"type": "str", "required": True},
    "task": {"type": "str", "required": True, "choices": sorted(library.TYPES)},
    "digest": {"type": "str", "default": ""},
}


def _remove(source: Path) -> None:
    if source.is_dir():
        remove_tree(source)
    else:
        source.unlink()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "models": {"type": "list", "elements": "dict", "required": True, "options": MODEL},
            "source": {"type": "path"},
            "archive_digest": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    directory, source = Path(module.params["directory"]), module.params["source"]
    wanted = [Model(**values) for values in module.params["models"]]
    changed = False
    try:
        missing = library.missing(directory, wanted)
        if source and not module.check_mode:
            library.put(directory, wanted, Path(source), module.params["archive_digest"])
            _remove(Path(source))
            missing, changed = [], True
    except (ModelsError, QuotaError, OSError) as error:
        module.fail_json(msg=str(error))
    record = library.read(directory)
    digests = {model.name: library.digest(record, model.place) for model in wanted}
    module.exit_json(
        changed=changed or (module.check_mode and bool(missing)),
        missing=missing,
        digests=digests,
        preload=library.preload(wanted),
        record=hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest(),
    )


if __name__ == "__main__":
    main()
