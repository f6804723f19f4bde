"""python3 -m unittest intervals_test, in this folder."""

import unittest

import intervals


class MedianInterval(unittest.TestCase):
    def test_ranks_are_those_of_the_binomial_tables(self):
        # n: (rank from below, rank from above), two-sided 95 %, from published tables
        for count, low, high in ((6, 1, 6), (7, 1, 7), (8, 1, 8), (9, 2, 8), (10, 2, 9),
                                 (12, 3, 10), (20, 6, 15), (41, 14, 28)):
            middle, interval = intervals.median_interval(range(1, count + 1))
            self.assertEqual(interval, (low, high), count)
            self.assertEqual(middle, (count + 1) / 2)

    def test_too_few_values_give_no_interval(self):
        self.assertEqual(intervals.median_interval([3, 1, 2, 5, 4]), (3, None))

    def test_order_does_not_matter(self):
        self.assertEqual(intervals.median_interval([7, 1, 6, 2, 5, 3, 4]), (4, (1, 7)))


class Claims(unittest.TestCase):
    def test_touching_and_unknown_intervals_overlap(self):
        self.assertTrue(intervals.overlap((1, 2), (2, 3)))
        self.assertTrue(intervals.overlap((1, 9), (2, 3)))
        self.assertTrue(intervals.overlap(None, (2, 3)))
        self.assertFalse(intervals.overlap((1, 2), (2.1, 3)))
        self.assertFalse(intervals.overlap((4, 5), (2.1, 3)))

    def test_ratios_are_of_pairs(self):
        self.assertEqual(intervals.ratio_interval([2, 20, 200], [1, 10, 100]), (2, None))
        with self.assertRaises(ValueError):
            intervals.ratio_interval([1, 2], [1])


if __name__ == "__main__":
    unittest.main()
