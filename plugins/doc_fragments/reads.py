# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all modules have in common that change nothing."""

from __future__ import annotations


class ModuleDocFragment:
    """Their attributes."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: The module only reads.
    support: N/A
"""
