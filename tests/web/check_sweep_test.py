#!/usr/bin/env python3
"""Tests the sweep page with made-up data, and its check with pages that are broken on purpose.

Usage: check_sweep_test.py [-v] [TEST ...]   (unittest's own command line)
"""

import json
import re
import unittest

import check_sweep
import make_sweep
from page_testing import PageTest, sabotaged, spoiling


def small_page():
    return make_sweep.page(make_sweep.build((1, 2, 4), (1, 10), 3))


class SweepTest(PageTest):
    def check_of(self, path):
        return check_sweep.SweepCheck(self.browser, path, None)

    def test_every_case_is_as_it_should_be(self):
        for name, case in make_sweep.CASES.items():
            with self.subTest(name):
                self.assertEqual(self.faults(make_sweep.page(case())), [])

    def test_a_missing_run_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const r = document.querySelectorAll('#sweep .runs circle');"
            "if (r.length === 18) r[4].remove();")), "17 dots for 18 runs")

    def test_a_misplaced_run_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelector('#sweep .runs circle')?.setAttribute('cy', '300');")),
            "is drawn below one of")

    def test_a_missing_line_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelector('#sweep .medians')?.remove();")),
            "0 lines for 2 series")

    def test_a_missing_ideal_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelector('#sweep .ideal')?.remove();")),
            "0 dashed lines instead of 2")

    def test_a_misdrawn_median_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelector('#sweep .median-dots circle')?.setAttribute('cy', '200');")),
            "pixels off")

    def test_a_wrong_number_in_the_table_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const c = document.querySelector('#numbers tbody tr:nth-child(2)')?.cells[8];"
            "if (c && c.textContent !== '9.99') c.textContent = '9.99';")),
            "the table has a speed-up of 9.99")

    def test_a_summary_that_is_not_that_of_the_runs_is_seen(self):
        document = make_sweep.build((1, 2), (5,), 3)
        document["summary"][1]["wall_s"]["median"] *= 1.5
        self.expect_fault(make_sweep.page(document), "the table says")

    def test_console_errors_are_seen(self):
        self.expect_fault(sabotaged(small_page(), "console.error('planted')"), "planted")

    def test_requests_are_seen(self):
        self.expect_fault(
            sabotaged(small_page(), "new Image().src = 'http://127.0.0.1:9/beacon';"), "console")

    def test_a_newer_version_is_refused(self):
        page = small_page()
        document = json.loads(re.search(r'json">(.*?)</script>', page, re.DOTALL).group(1))
        document["windlass_sweep"] = 2
        self.expect_fault(make_sweep.page(document), "not 2")


if __name__ == "__main__":
    unittest.main()
