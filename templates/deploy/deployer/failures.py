"""What is said when something goes wrong."""

from __future__ import annotations

import re
import traceback

from botocore.exceptions import ClientError, ParamValidationError

from deployer import hints
from deployer.aws import REFUSALS, Failure, say
from deployer.settings import SettingError, Settings


def explain(settings: Settings, error: BaseException) -> int:
    """Says what went wrong and what to do; the exit status for it."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):  # it was explained, or it is a signal
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, (ClientError, ParamValidationError)):
        short = re.sub("satisfy enum value set: .*", "be one that it knows", str(error))
        say(f"ERROR: {short}\n{hints.remedy(settings, str(error))}")
    elif isinstance(error, Failure):
        say("ERROR: " + "\n".join(error.args))
    elif isinstance(error, (SettingError, OSError, *REFUSALS)):
        say(f"ERROR: {error}")
    else:
        traceback.print_exc()
    return 1
