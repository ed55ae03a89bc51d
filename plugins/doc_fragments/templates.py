# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules have in common that make templates of new tenants."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment, as Ansible finds it by its name."""

    DOCUMENTATION = r"""
options:
  templates:
    description: The sets of images, each with the throw-away stack in which its template is made.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description: Short digest of O(templates[].made_of).
        type: str
        required: true
      made_of:
        description: Images of photo server and database, and the vector extension.
        type: dict
        required: true
      uid:
        description: User and group id of the stack's processes and files.
        type: int
        required: true
      photo_server:
        description: Where its photo server answers.
        type: str
        required: true
      compose:
        description: Content of its Compose file.
        type: str
        required: true
      env:
        description: Content of the env file of Compose.
        type: str
        required: true
      configuration:
        description: Content of Immich's configuration file.
        type: str
        required: true
      folders:
        description: Folders in which its services keep data.
        type: list
        elements: str
        required: true
      secrets:
        description: File name to content; no tenant has these.
        type: dict
        required: true
"""
