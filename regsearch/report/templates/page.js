
"use strict";
// A click on a cell shows its runs: their curves, how they ended, and the command of each.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dialog = document.getElementById("cell");
  const drawing = "http://www.w3.org/2000/svg";
  const [width, height, left, right, top, bottom] = [700, 250, 46, 12, 10, 30];

  const element = (name, attributes, text) => {
    const made = document.createElementNS(drawing, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const ticks = (low, high) => {
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + 1e-9 * step; at += step) found.push(+at.toPrecision(8));
    return found;
  };

  const chart = (runs) => {
    const values = runs.flatMap((run) => run[4]).map((value) => value * data.unit);
    if (!values.length) return null;
    let low = Math.min(...values), high = Math.max(...values);
    const pad = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
    low -= pad; high += pad;
    const last = data.epochs[data.epochs.length - 1];
    const x = (epoch) => left + (width - left - right) * (last > 1 ? (epoch - 1) / (last - 1) : 0.5);
    const y = (value) => height - bottom - (height - top - bottom) * (value - low) / (high - low);
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    for (const at of ticks(low, high)) {
      svg.append(element("line", { class: "grid", x1: left, x2: width - right, y1: y(at), y2: y(at) }));
      svg.append(element("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, at));
    }
    svg.append(element("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
    for (const at of ticks(1, Math.max(last, 2)).filter((at) => Number.isInteger(at)))
      svg.append(element("text", { x: x(at), y: height - bottom + 16, "text-anchor": "middle" }, at));
    svg.append(element("text", { x: width - right, y: height - 2, "text-anchor": "end" }, "epoch"));
    svg.append(element("text", { x: left + 4, y: top + 8 }, data.quantity));
    runs.forEach((run, i) => {
      const points = run[4].map((value, k) => `${x(data.epochs[k]).toFixed(1)},${y(value * data.unit).toFixed(1)}`);
      svg.append(element("polyline", { class: `line c${i % 6}`, points: points.join(" ") }));
      if (run[2] === "diverged" && points.length) {
        const [cx, cy] = points[points.length - 1].split(",").map(Number);
        svg.append(element("path", { class: `line c${i % 6}`, d: `M${cx - 4},${cy - 4}l8,8m0,-8l-8,8` }));
      }
    });
    return svg;
  };

  const row = (run, i) => {
    const line = document.createElement("tr");
    const command = `${data.command} ${run[0]}`;
    ["● " + run[1], run[2], run[3], ""].forEach((text, column) => {
      const field = document.createElement("td");
      field.textContent = text;
      if (column === 0) field.className = `k${i % 6}`;
      if (column === 3) field.append(Object.assign(document.createElement("code"), { textContent: run[2] === "missing" ? "" : command }));
      line.append(field);
    });
    return line;
  };

  const show = (name) => {
    const cell = data.cells[name];
    if (!cell) return;
    document.getElementById("cell-title").textContent = cell.label;
    document.getElementById("cell-judged").textContent = data.judged;
    const drawn = chart(cell.runs);
    document.getElementById("cell-chart").replaceChildren(...(drawn ? [drawn] : []));
    document.getElementById("cell-runs").replaceChildren(...cell.runs.map(row));
    dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell) show(cell.dataset.cell);
    else if (event.target === dialog) dialog.close();
  });
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest && event.target.closest("[data-cell]");
    if (cell && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); show(cell.dataset.cell); }
  });
  document.getElementById("cell-close").addEventListener("click", () => dialog.close());
})();
