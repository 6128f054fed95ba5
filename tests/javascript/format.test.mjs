// Numbers for people, as pruning/ui/text/format.py writes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { moreText, percentText, perplexityText, sizeText } = functions(
  ["shared/format.js"],
  ["moreText", "percentText", "perplexityText", "sizeText"],
);

test("sizes have three figures and a unit", () => {
  assert.equal(sizeText(538_060_032), "538 MB");
  assert.equal(sizeText(1_234_000), "1.23 MB");
  assert.equal(sizeText(12_340), "12.3 kB");
  assert.equal(sizeText(999), "999 bytes");
  assert.equal(sizeText(2.5e12), "2.50 TB");
});

test("small shares have a digit more, and a true minus sign", () => {
  assert.equal(percentText(0.4), "40 %");
  assert.equal(percentText(0.004), "0.4 %");
  assert.equal(percentText(-0.125, 1), "−12.5 %");
  assert.equal(percentText(0), "0 %");
  assert.equal(percentText(-0.000001, 2), "0.00 %");
});

test("perplexities from small to broken", () => {
  assert.equal(perplexityText(5.123), "5.12");
  assert.equal(perplexityText(33.81), "33.8");
  assert.equal(perplexityText(1528), "1,528");
  assert.equal(perplexityText(13_830), "13,830");
  assert.equal(perplexityText(999_600), "1.0 million");
  assert.equal(perplexityText(1.23e6), "1.2 million");
  assert.equal(perplexityText(4.6e10), "46 billion");
  assert.equal(perplexityText(3e12), "3.0 × 10¹²");
});

test("a rise too small to see says so", () => {
  assert.equal(moreText(0.0004), "less than 0.1 % perplexity");
  assert.equal(moreText(0.012), "about 1.2 % perplexity");
  assert.equal(moreText(0.4), "about 40 % perplexity");
});
