"""The report of the shipped job, in headless Chromium. Usage: demo_report_test.py ARTIFACTS"""

import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import EXPLAIN_ADULT, ROOT, Skip, main, test, windlass  # noqa: E402

ARTIFACTS = pathlib.Path(sys.argv[1])


@test
def adult(folder):
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        raise Skip("chromium and chromedriver are not installed")
    windlass(*EXPLAIN_ADULT, "--out", folder / "out")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, ROOT / "tests/web/check_report.py", folder / "out/report.html",
                    "--artifacts", ARTIFACTS], check=True, timeout=300)


main()
