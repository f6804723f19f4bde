#!/usr/bin/env python3
"""Tests the report page with made-up data, and its check with pages that are broken on purpose.

Usage: check_report_test.py [-v] [TEST ...]   (unittest's own command line)
"""

import unittest

import check_report
import make_report
from page_testing import POLICY, PageTest, sabotaged, spoiling


def small_page():
    return make_report.page(make_report.build(groups=make_report.MIXED, rows=60, shown=60))


def sampled_page():
    return make_report.page(make_report.build(groups=make_report.MIXED, rows=60, shown=60,
                                              width=1.0, cohorts=3, method="msr"))


class ReportTest(PageTest):
    def check_of(self, path):
        return check_report.Check(self.browser, path, None)

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

    def test_a_missing_whisker_is_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "document.querySelectorAll('#importance .whiskers line')[4]?.remove();")),
            "4 whiskers for 5 intervals")

    def test_a_whisker_of_another_length_is_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "document.querySelector('#importance .whiskers line')?.setAttribute('x2', '700');")),
            "pixels off")

    def test_a_whisker_of_another_group_is_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "const w = document.querySelector('#importance .whiskers line');"
            "if (w) { w.dataset.low = '0.1'; w.dataset.high = '0.9'; }")), "but the half width is")

    def test_a_wrong_rank_is_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "const c = document.querySelector('#importance tbody tr:nth-child(3)')?.children[3];"
            "if (c && c.textContent !== '9') c.textContent = '9';")), "the ranks are")

    def test_a_missing_whisker_of_a_step_is_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "document.querySelector('#one-row .whiskers line')?.remove();")), "no whisker of +-")

    def test_an_order_that_claims_more_than_it_knows_is_seen(self):
        document = make_report.build(groups=make_report.MIXED, rows=60, shown=60, width=1.0,
                                     method="msr")
        document["ranked"] = [2] * 60
        page = make_report.page(document)
        self.expect_fault(sabotaged(page, spoiling(
            "document.querySelectorAll('#one-row .divider').forEach(e => e.remove());")),
            "2 of 5 bars stand in certain order")

    def test_intervals_of_an_exact_method_are_seen(self):
        self.expect_fault(sabotaged(small_page(), "document.querySelector('#lede').append("
                                                  "'0.3 \u00b1 0.1');"),
                          "the job has no intervals")

    def test_a_blank_canvas_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelectorAll('#beeswarm canvas').forEach(c =>"
            "c.getContext('2d').clearRect(0, 0, 9999, 9999));")), "the canvas of the beeswarm is blank")

    def test_dots_at_another_place_are_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "document.querySelectorAll('#beeswarm canvas:not([data-moved])').forEach(c => {"
            "  c.dataset.moved = ''; const d = c.getContext('2d');"
            "  const i = d.getImageData(0, 0, c.width, c.height);"
            "  d.clearRect(0, 0, 9999, 9999); d.putImageData(i, -40, 0); });")), "the dots reach from")

    def test_a_cohort_of_another_number_is_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "const c = document.querySelector('#cohorts td[data-value]');"
            "if (c) c.dataset.value = '17';")), "cohort 0, group")

    def test_a_cohort_without_some_rows_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const c = document.querySelector('#cohorts .fact')?.children[1];"
            "if (c && c.textContent !== '1') c.textContent = '1';")), "of 60 rows")

    def test_a_cohort_that_filters_nothing_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "addEventListener('click', e => e.target.closest('#cohorts thead button') &&"
            "e.stopPropagation(), true);"), "does not choose it")

    def test_a_chip_that_holds_on_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "addEventListener('click', e => e.target.closest('#chip') && e.stopPropagation(), true);"),
            "the chip does not let go")

    def test_drawing_twice_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "document.querySelector('#feature').addEventListener('change', e => { if (!e.again) {"
            "  const a = new Event('change'); a.again = true; e.target.dispatchEvent(a); } });"),
            "choosing a group draws a chart 2 times")

    def test_dots_as_elements_are_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "for (let k = 0; k < 7000; ++k) document.querySelector('footer').append("
            "document.createElement('i'));"), "elements: too many to be smooth")

    def test_answering_every_move_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "addEventListener('pointermove', e => e.target.closest?.('.layers')?.querySelector("
            "'.rings').append(document.createElementNS('http://www.w3.org/2000/svg', 'g')), true);"),
            "fifty moves of the mouse are answered")

    def test_texts_over_each_other_are_seen(self):
        self.expect_fault(sabotaged(sampled_page(), spoiling(
            "const t = document.querySelectorAll('#one-row .row-labels text');"
            "if (t.length > 2 && t[2].getAttribute('transform') !== t[1].getAttribute('transform'))"
            "  t[2].setAttribute('transform', t[1].getAttribute('transform'));")),
            "texts lie over each other")

    def test_a_table_that_does_not_follow_is_seen(self):
        self.expect_fault(sabotaged(small_page(),
            "addEventListener('scroll', e => e.stopPropagation(), true);"),
            "the table of rows ends with")

    def test_a_table_of_all_lines_is_seen(self):
        self.expect_fault(sabotaged(small_page(), spoiling(
            "const l = document.querySelector('.rows .lines');"
            "while (l && l.children.length > 0 && l.children.length < 60)"
            "  l.append(l.lastChild.cloneNode(true));")), "the table of rows begins with")

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
