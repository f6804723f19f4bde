"""The report of the shipped job, and pages with hostile names and holes that report_test writes, in
headless Chromium. Usage: demo_report_test.py ARTIFACTS REPORT_TEST"""

import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import EXPLAIN_ADULT, ROOT, Skip, main, test, windlass  # noqa: E402

ARTIFACTS = pathlib.Path(sys.argv[1])
REPORT_TEST = sys.argv[2]


def check(report):
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        raise Skip("chromium and chromedriver are not installed")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, ROOT / "tests/web/check_report.py", report,
                    "--artifacts", ARTIFACTS], check=True, timeout=300)


@test
def adult(folder):
    windlass(*EXPLAIN_ADULT, "--out", folder / "out")
    check(folder / "out/report.html")


@test
def sampled_and_split(folder):
    windlass(*EXPLAIN_ADULT, "--method", "msr", "--nsamples", "200", "--cohorts", "Country",
             "--out", folder / "out")
    check(folder / "out/report.html")


@test
def as_large_as_a_page_gets(folder):
    page = folder / "large.html"
    subprocess.run([sys.executable, ROOT / "tests/web/make_report.py", "large", page], check=True,
                   timeout=120)
    check(page)


@test
def hostile_names_and_holes(folder):
    subprocess.run([REPORT_TEST, "--gtest_filter=Report.WritesPagesForTheBrowserCheck"],
                   env={**os.environ, "WINDLASS_REPORT_PAGES": str(folder / "pages")}, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    pages = sorted((folder / "pages").glob("*.html"))
    assert len(pages) == 4, pages
    for page in pages:
        check(page)


main()
