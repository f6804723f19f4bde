"""What the tests of pages share: a browser, a check's faults, and pages broken on purpose."""

import base64
import hashlib
import pathlib
import re
import tempfile
import unittest

from webdriver import Browser

POLICY = re.compile(r"script-src '(sha256-[^']+)'")
# Anything that the page draws again is spoilt again.
ALWAYS = ("new MutationObserver(spoil).observe(document.body, {childList: true, subtree: true});"
          "spoil();")


def sabotaged(page, code):
    """The page with `code` at the end of its script, and the policy that lets it run."""
    start = page.rindex("<script>") + len("<script>")
    end = page.rindex("</script>")
    script = page[start:end] + ";" + code
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = page[:start] + script + page[end:]
    return POLICY.sub(f"script-src 'sha256-{digest}'", page, count=1)


def spoiling(body):
    return f"const spoil = () => {{ {body} }};" + ALWAYS


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.folder = tempfile.TemporaryDirectory(prefix="windlass-web-")
        cls.addClassCleanup(cls.folder.cleanup)

    def check_of(self, path):
        """The check of the page at `path`: of the subclass."""
        raise NotImplementedError

    def faults(self, page):
        path = pathlib.Path(self.folder.name) / f"{self.id()}.html"
        path.write_text(page, encoding="utf-8")
        check = self.check_of(path)
        check.run()
        if self.browser.dialog() is not None:
            self.browser.dismiss()
        return check.faults

    def expect_fault(self, page, words):
        faults = self.faults(page)
        self.assertTrue(any(words in fault for fault in faults),
                        f"no fault says {words!r}; found: {faults}")
