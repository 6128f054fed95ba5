// Whose levels count, Python's or the hand's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { Desk } = functions(
  ["explore/mixer/forecast.js", "explore/mixer/levels.js", "explore/mixer/banks.js", "explore/mixer/desk.js"],
  ["Desk"],
);

// A desk at 0.5 whose events up to 3 are sent, and Python's answer, to event 3, which says 0.4; nothing is drawn.
function deskWith({ answer = {}, ...state }) {
  const desk = Object.assign(Object.create(Desk.prototype), {
    levels: [0.5],
    sent: [0.5],
    number: 3,
    unanswered: [],
    locks: new Set(),
    table: { rows: {} },
    data: { levels: [0.4], locks: ["up"], answered: 3, ...answer },
    told: [],
    ...state,
  });
  return Object.assign(desk, { keep() {}, recall() {}, ask() {}, tell: (event) => desk.told.push(event) });
}

function levelsAfter(state) {
  const desk = deskWith(state);
  desk.adopt();
  return desk.levels;
}

test("an answer to the last event settles the levels", () => {
  assert.deepEqual(levelsAfter({}), [0.4]);
});

test("an answer to an older event changes nothing", () => {
  assert.deepEqual(levelsAfter({ answer: { answered: 2 } }), [0.5]);
});

test("what a hand holds, or keys have moved and not sent yet, is not overruled", () => {
  assert.deepEqual(levelsAfter({ drag: {} }), [0.5]);
  assert.deepEqual(levelsAfter({ timer: 1 }), [0.5]);
});

test("a desk that has no levels takes Python's, whatever else there is", () => {
  assert.deepEqual(levelsAfter({ levels: null, timer: 1, drag: {}, number: 9 }), [0.4]);
});

test("keys that end where they began send nothing, and the answer that came meanwhile counts", () => {
  const desk = deskWith({ timer: 1 });
  desk.release();
  assert.deepEqual(desk.told, []);
  assert.deepEqual(desk.levels, [0.4]);
  assert.deepEqual([...desk.locks], ["up"]);
});

test("so does a drag that ends where it began", () => {
  const desk = deskWith({ drag: {} });
  desk.letGo();
  assert.deepEqual(desk.told, []);
  assert.deepEqual(desk.levels, [0.4]);
});

test("keys that moved something send it, and the answer to an older plan is left", () => {
  const desk = deskWith({ levels: [0.6], timer: 1 });
  desk.release();
  assert.deepEqual(desk.told, [{ levels: [0.6], locks: [] }]);
  assert.deepEqual(desk.levels, [0.6]);
});
