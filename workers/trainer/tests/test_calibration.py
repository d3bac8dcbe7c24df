"""Temperature scaling against scipy's figure, and what it must leave alone."""

import unittest

import numpy
import torch

from espalier_trainer import calibration, data, model
from espalier_trainer.guard import StopFlag

from .support import TINY


class Temperature(unittest.TestCase):
    def test_is_the_one_that_scipy_finds(self) -> None:
        # scipy.optimize.minimize_scalar of the same loss, bounded, xatol=1e-10: 2.2452444066
        random = numpy.random.default_rng(5)
        logits = random.normal(size=(200, 4)) * 3
        targets = (logits + random.gumbel(size=logits.shape) * 2.2).argmax(1)
        fitted = calibration.fit_temperature(torch.tensor(logits), torch.tensor(targets))
        self.assertAlmostEqual(fitted, 2.24524, places=4)

    def test_stays_in_its_bounds_where_every_row_is_right_or_none_is(self) -> None:
        logits, right = torch.eye(3).repeat(20, 1) * 5, torch.arange(3).repeat(20)
        self.assertAlmostEqual(calibration.fit_temperature(logits, right), calibration.LOWEST, places=3)
        self.assertAlmostEqual(calibration.fit_temperature(logits, (right + 1) % 3), calibration.HIGHEST, places=2)

    def test_scales_the_logits_and_keeps_the_labels(self) -> None:
        encoder = model.load_encoder(TINY, model.read_config(TINY, 32))
        classifier = model.Classifier(encoder, 3, "mean", 0.0, 7).eval()
        tokenizer = model.load_tokenizer(TINY, encoder.config)
        texts = [f"where is parcel number {number}" for number in range(40)]
        rows = data.tokenize(tokenizer, texts, [number % 3 for number in range(40)], 32)
        inputs, _ = data.collate(rows, range(40), 0, model.graph_inputs(encoder), torch.device("cpu"))
        with torch.no_grad():
            before = classifier(inputs)
            temperature = calibration.calibrate(classifier, rows, 0, StopFlag())
            after = classifier(inputs)
        self.assertNotEqual(temperature, 1)
        self.assertTrue(torch.allclose(after * temperature, before, atol=1e-5))
        self.assertTrue(torch.equal(after.argmax(1), before.argmax(1)))

    def test_is_left_alone_where_there_are_too_few_rows(self) -> None:
        encoder = model.load_encoder(TINY, model.read_config(TINY, 32))
        classifier = model.Classifier(encoder, 2, "mean", 0.0, 7).eval()
        rows = data.tokenize(model.load_tokenizer(TINY, encoder.config), ["a text"] * 29, [0] * 29, 32)
        self.assertEqual(calibration.calibrate(classifier, rows, 0, StopFlag()), 1)
