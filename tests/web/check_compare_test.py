#!/usr/bin/env python3
"""Tests the pages of comparisons with made-up data, and their check with pages broken on purpose.

Usage: check_compare_test.py [-v] [TEST ...]   (unittest's own command line)
"""

import unittest

import check_compare
import make_compare
from page_testing import PageTest, sabotaged, spoiling


def diff_page():
    return make_compare.page(make_compare.diff(4))


def drift_page():
    return make_compare.page(make_compare.drift(4, 5))


class CompareTest(PageTest):
    def check_of(self, path):
        return check_compare.check_of(path)(self.browser, path, None)

    def test_every_case_is_as_it_should_be(self):
        for name, case in make_compare.CASES.items():
            with self.subTest(name):
                self.assertEqual(self.faults(make_compare.page(case())), [])

    def test_a_misdrawn_step_is_seen(self):
        self.expect_fault(sabotaged(diff_page(), spoiling(
            "document.querySelector('#waterfall .steps rect')?.setAttribute('width', '3');")),
            "pixels off")

    def test_a_misdrawn_bar_is_seen(self):
        self.expect_fault(sabotaged(diff_page(), spoiling(
            "document.querySelectorAll('#changes .bars rect')[1]?.setAttribute('width', '333');")),
            "pixels wide instead of")

    def test_a_missing_interval_is_seen(self):
        self.expect_fault(sabotaged(diff_page(), spoiling(
            "const l = document.querySelectorAll('#changes .whiskers line');"
            "if (l.length === 4) l[2].remove();")), "3 intervals instead of 4")

    def test_a_missing_row_is_seen(self):
        self.expect_fault(sabotaged(diff_page(), spoiling(
            "const r = document.querySelectorAll('#rows tbody tr');"
            "if (r.length === 20) r[4].remove();")), "the rows that moved are")

    def test_overlapping_texts_are_seen(self):
        self.expect_fault(sabotaged(diff_page(), spoiling(
            "const t = document.querySelectorAll('#changes .row-labels text');"
            "if (t.length > 1) t[1].setAttribute('transform', t[0].getAttribute('transform'));")),
            "texts overlap")

    def test_a_misplaced_point_is_seen(self):
        self.expect_fault(sabotaged(drift_page(), spoiling(
            "document.querySelector('#lines .points circle')?.setAttribute('cy', '-80');")),
            "is below")

    def test_a_missing_alarm_is_seen(self):
        self.expect_fault(sabotaged(drift_page(), spoiling(
            "document.querySelector('#heat .alarms')?.remove();")), "0 squares are framed")

    def test_a_pale_square_is_seen(self):
        self.expect_fault(sabotaged(drift_page(), spoiling(
            "for (const r of document.querySelectorAll('#heat .cells rect'))"
            "  if (r.getAttribute('fill-opacity') === '1') r.setAttribute('fill-opacity', '0.01');")),
            "the darkest square")

    def test_console_errors_are_seen(self):
        self.expect_fault(sabotaged(diff_page(), "console.error('planted')"), "planted")

    def test_a_newer_version_is_refused(self):
        document = make_compare.diff(2)
        document["windlass_diff"] = 2
        self.expect_fault(make_compare.page(document), "not 2")


if __name__ == "__main__":
    unittest.main()
