"""Exit codes and times that a batch script and those who read its end agree on."""

from __future__ import annotations

from typing import Final

NO_FOLDER_CODE, NO_PYTHON_CODE = 3, 4
# As sysexits.h has them: no code that a line of setup would end with.
NO_RESULTS_CODE, SETUP_CODE = 75, 78
PATIENCE_S: Final = 300
# A job waits for its number to be written down, but not for ever: a launcher may die before that.
OWN_BEGIN_S: Final = 300
