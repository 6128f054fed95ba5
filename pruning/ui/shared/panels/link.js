// Marks the plan that is pointed at in every panel. Plotly alone marks it where the pointer is.
// Streamlit draws a new chart for new data, so nothing here holds on to one: what is hovered is read anew.
const MARK = "plan-pointed-at";

function planOf(path) {
  const trace = path.closest(".trace")?.__data__?.[0]?.trace;
  const index = path.__data__?.i;
  return trace?.customdata?.[index] ?? null;
}

function markPlan(chart, plan) {
  for (const path of chart.querySelectorAll(".scatterlayer .point")) {
    path.classList.toggle(MARK, plan !== null && planOf(path) === plan);
  }
}

export default function ({ data, parentElement }) {
  const frame = parentElement.ownerDocument;
  let before = null;
  const follow = () => {
    const chart = frame.querySelector(`.st-key-${data.frame} .js-plotly-plot`);
    if (!chart) return;
    const plan = chart._hoverdata?.[0]?.customdata ?? null;
    if (plan === before && (plan === null || chart.querySelector(`.${MARK}`))) return;
    before = plan;
    markPlan(chart, plan);
  };
  // Plotly settles what is hovered a moment after the pointer has moved.
  let timer = 0;
  const moved = () => {
    clearTimeout(timer);
    timer = setTimeout(follow, 60);
    requestAnimationFrame(follow);
  };
  frame.addEventListener("mousemove", moved);
  return () => {
    clearTimeout(timer);
    frame.removeEventListener("mousemove", moved);
  };
}
