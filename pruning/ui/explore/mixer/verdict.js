// The verdict while a hand moves: forecast from the KL's band by the limits of
// pruning/planning/forecast/verdict.py, or what was measured of exactly this plan.

const SIGNS = { safe: "✓", noticeable: "!", broken: "✕" };

function verdictHtml() {
  return `<span class="pill"></span> <span class="badge"></span> <span class="quiet"></span>`;
}

function forecastVerdict({ constants }, { klLow, klHigh }) {
  const level = (kl) => constants.levels[constants.klLimits.filter((limit) => kl >= limit).length];
  const [best, worst] = [level(klLow), level(klHigh)];
  return { best, worst, level: best === worst ? best : `${best} to ${worst}` };
}

function klText(value) {
  return value < 0.001 ? "below 0.001" : value.toFixed(value < 0.1 ? 3 : 2);
}

function showVerdict(element, { table, seen, truth }) {
  element.style.visibility = seen.kl > 0 ? "visible" : "hidden";
  const measured = truth?.verdict;
  const { level, worst } = measured ? { ...measured, worst: measured.level } : forecastVerdict(table, seen);
  const [pill, badge, why] = element.children;
  if (pill.className !== `pill ${worst}`) pill.className = `pill ${worst}`;
  setText(pill, `${SIGNS[worst]} ${level}`);
  badge.classList.toggle("measured", measured?.source === "measured");
  setText(badge, measured ? measured.source : table.forecastLabel);
  setText(why, measured ? measured.sentence : `KL ${klText(seen.klLow)} – ${klText(seen.klHigh)} nats per token`);
}
