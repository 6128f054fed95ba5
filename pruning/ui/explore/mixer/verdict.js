// The verdict while a hand moves: forecast from the KL's band by the limits of
// pruning/planning/forecast/verdict.py, or what was measured of exactly this plan.

const SIGNS = { safe: "✓", noticeable: "!", broken: "✕" };

function verdictHtml() {
  return `<span class="badge"></span> <span class="pill"></span> <span class="quiet"></span>`;
}

function forecastVerdict({ constants }, { klLow, klHigh }) {
  const level = (kl) => constants.levels[constants.klLimits.filter((limit) => kl >= limit).length];
  const [best, worst] = [level(klLow), level(klHigh)];
  return { best, worst, level: best === worst ? best : `${best} to ${worst}` };
}

// The figures that matter, as pruning/ui/text/format.py says them.
function klText(value) {
  if (value === 0) return "0";
  if (value < 0.001) return "below 0.001";
  return value < 10 ? String(Number(value.toPrecision(value < 0.1 ? 2 : 3))) : value.toFixed(0);
}

// From which KL on answers are what the pill says; where they are safe, from where on they are not.
function limitText({ constants }, worst) {
  const index = Math.max(1, constants.levels.indexOf(worst));
  return `${constants.levels[index]} from ${klText(constants.klLimits[index - 1])}`;
}

function showVerdict(element, { table, seen, truth }) {
  element.style.visibility = seen.kl > 0 ? "visible" : "hidden";
  const measured = truth?.verdict;
  const { level, worst } = measured ? { ...measured, worst: measured.level } : forecastVerdict(table, seen);
  const [badge, pill, why] = element.children;
  if (pill.className !== `pill ${worst}`) pill.className = `pill ${worst}`;
  setText(pill, `${SIGNS[worst]} ${level}`);
  badge.classList.toggle("measured", measured?.source === "measured");
  setText(badge, measured ? measured.source : table.forecastLabel);
  setText(why, measured ? measured.sentence : `KL ${klText(seen.klLow)} – ${klText(seen.klHigh)} nats per token (${limitText(table, worst)})`);
}
