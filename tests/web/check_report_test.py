#!/usr/bin/env python3
"""Tests the report page with made-up data, and its check with pages that are broken on purpose.

Usage: check_report_test.py [-v] [TEST ...]   (unittest's own command line)
"""

import base64
import hashlib
import pathlib
import re
import tempfile
import unittest

import check_report
import make_report
from webdriver import Browser

POLICY = re.compile(r"script-src '(sha256-[^']+)'")
# Anything that the page draws again is spoilt again.
ALWAYS = ("new MutationObserver(spoil).observe(document.body, {childList: true, subtree: true});"
          "spoil();")


def small_page():
    return make_report.page(make_report.build(groups=make_report.MIXED, rows=60, shown=60))


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


class ReportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.folder = tempfile.TemporaryDirectory(prefix="windlass-web-")
        cls.addClassCleanup(cls.folder.cleanup)

    def faults(self, page):
        path = pathlib.Path(self.folder.name) / f"{self.id()}.html"
        path.write_text(page, encoding="utf-8")
        check = check_report.Check(self.browser, path, None)
        check.run()
        if self.browser.dialog() is not None:
            self.browser.dismiss()
        return check.faults

    def expect_fault(self, page, words):
        faults = self.faults(page)
        self.assertTrue(any(words in fault for fault in faults),
                        f"no fault says {words!r}; found: {faults}")

    def test_every_case_is_as_it_should_be(self):
        for name, case in make_report.CASES.items():
            with self.subTest(name):
                self.assertEqual(self.faults(make_report.page(case())), [])

    def test_a_missing_bar_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelector('#importance .bars rect:nth-child(5)')?.remove();")),
            "4 bars for 5 groups")

    def test_a_wrong_longest_bar_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelectorAll('#importance .bars rect').forEach((r, k) =>"
            "r.setAttribute('width', k === 2 ? '700' : '50'));")),
            "the longest bar is that of")

    def test_a_wrong_order_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const r = document.querySelectorAll('#importance .bars rect');"
            "if (r.length > 1) r[0].setAttribute('y', '900');")),
            "not in order of importance")

    def test_a_wrong_length_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelectorAll('#importance .bars rect')[3]?.setAttribute('width', '3');")),
            "but its value asks for")

    def test_a_frozen_waterfall_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "addEventListener('change', e => e.target.id === 'row' && e.stopPropagation(), true);"),
            "choosing another row does not change the waterfall")

    def test_a_waterfall_that_does_not_add_up_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const r = document.querySelector('#one-row .steps rect:last-child');"
            "if (r) r.dataset.to = '7';")),
            "the bars end at 7")

    def test_a_misdrawn_waterfall_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelector('#one-row .steps rect')?.setAttribute('width', '1');")),
            "pixels")

    def test_a_deaf_beeswarm_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "addEventListener('click', e => e.isTrusted && e.stopPropagation(), true);"),
            "a click on a dot of the beeswarm does not choose its row")

    def test_marks_at_no_place_are_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const c = document.querySelector('#beeswarm .rings circle');"
            "if (c && c.getAttribute('cx') !== 'NaN') c.setAttribute('cx', 'NaN');")),
            "coordinates that are no numbers")

    def test_console_errors_are_seen(self):
        self.expect_fault(sabotaged(small_page(), "console.error('planted')"), "planted")

    def test_warnings_are_seen(self):
        self.expect_fault(sabotaged(small_page(), "console.warn('planted')"), "planted")

    def test_requests_are_seen_where_the_policy_would_let_them(self):
        page = small_page().replace("default-src 'none'", "default-src *")
        page = page.replace("img-src data:", "img-src *")
        page = sabotaged(page, "new Image().src = 'http://127.0.0.1:9/beacon';")
        self.expect_fault(page, "the page asks for http://127.0.0.1:9/beacon")
        self.expect_fault(page, "the content security policy is")

    def test_requests_stopped_by_the_policy_are_seen(self):
        self.expect_fault(
            sabotaged(small_page(), "new Image().src = 'http://127.0.0.1:9/beacon';"), "console")

    def test_an_alert_is_seen(self):
        self.expect_fault(sabotaged(small_page(), "alert('planted')"), "a dialog is open")

    def test_a_page_too_wide_is_seen(self):
        self.expect_fault(
            sabotaged(small_page(), "document.querySelector('main').style.minWidth = '900px';"),
            "at 400 pixels the page is")

    def test_unescaped_data_is_seen(self):
        document = make_report.CASES["hostile"]()
        with self.assertRaises(ValueError):  # the data block ends inside the hostile name
            self.faults(make_report.page(document, escaped=False))

    def test_a_foreign_script_is_stopped_by_the_policy_and_seen(self):
        page = small_page()
        place = page.index('<script id="windlass-data"')
        page = page[:place] + "<script>alert(1)</script>" + page[place:]
        self.expect_fault(page, "console SEVERE")
        self.assertFalse(any("dialog" in fault for fault in self.faults(page)))

    def test_a_foreign_script_that_runs_is_seen(self):
        page = POLICY.sub("script-src 'unsafe-inline'", small_page(), count=1)
        place = page.index('<script id="windlass-data"')
        page = page[:place] + "<script>alert(1)</script>" + page[place:]
        self.expect_fault(page, "a dialog is open")


if __name__ == "__main__":
    unittest.main()
