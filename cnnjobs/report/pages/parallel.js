
// Parallel coordinates that answer: pointing at a line tells what it is, dragging along an axis keeps what crosses there.
(() => {
  "use strict";
  const NS = "http://www.w3.org/2000/svg";
  const WIDTH = 1100, HEIGHT = 400, TOP = 46, BOTTOM = 20, SIDE = 70, NEAR = 14;
  const yOf = (height) => HEIGHT - BOTTOM - height * (HEIGHT - TOP - BOTTOM);
  const heightOf = (y) => Math.min(1, Math.max(0, (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)));

  const add = (parent, name, attributes, text) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };

  // A name on lines of so many letters.
  const wrapped = (name) => {
    const lines = [""];
    for (const word of name.split(/(?<=[ ._/])/)) {
      if (lines.at(-1) && lines.at(-1).length + word.length > 16) lines.push("");
      lines[lines.length - 1] += word;
    }
    return lines.slice(0, 3);
  };

  // How far a point is from a line, of which each piece runs from one axis to the next.
  const distance = (line, xs, x, y) => {
    const right = xs.findIndex((each) => each >= x);
    if (right < 0) return Infinity;
    const left = Math.max(0, right - 1);
    const part = right === left ? 0 : (x - xs[left]) / (xs[right] - xs[left]);
    const [from, to] = [yOf(line.at[left]), yOf(line.at[right])];
    const slope = right === left ? 0 : (to - from) / (xs[right] - xs[left]);
    return Math.abs(from + part * (to - from) - y) / Math.hypot(1, slope);
  };

  const draw = (figure) => {
    const { axes, lines, best } = JSON.parse(figure.dataset.lines);
    const xs = axes.map((_, place) => SIDE + (place * (WIDTH - 2 * SIDE - 30)) / (axes.length - 1));
    const svg = add(figure, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "answers", "aria-hidden": "true" });
    const faint = Math.min(0.6, Math.max(0.08, 14 / lines.length));
    const paths = lines.map((line, number) => {
      const points = line.at.map((height, place) => `${xs[place].toFixed(1)},${yOf(height).toFixed(1)}`).join(" ");
      const rank = lines.length - number;
      const kind = rank === 1 && best ? "first" : rank <= best ? "next" : "";
      return add(svg, "polyline", { points, class: kind, style: kind ? "" : `opacity: ${faint}` });
    });
    const shown = add(svg, "polyline", { class: "pointed" });
    const brushes = axes.map((axis, place) => {
      add(svg, "line", { x1: xs[place], x2: xs[place], y1: yOf(0), y2: yOf(1), class: "axis" });
      const names = wrapped(axis.name);
      names.forEach((part, line) => {
        add(svg, "text", { x: xs[place], y: TOP - 12 - 14 * (names.length - 1 - line), class: "name" }, part);
      });
      for (const [height, word] of axis.marks) {
        const short = word.length > 18 ? `${word.slice(0, 17)}…` : word;
        add(svg, "text", { x: xs[place] + 6, y: yOf(height) + 4, class: "mark" }, short);
      }
      return add(svg, "rect", { x: xs[place] - 7, width: 14, y: 0, height: 0, class: "brush" });
    });

    const bar = document.createElement("p");
    const told = document.createElement("span");
    const clear = document.createElement("button");
    bar.className = "answer";
    told.setAttribute("role", "status");
    clear.type = "button";
    clear.textContent = "Show all";
    bar.append(told, clear);
    svg.after(bar);
    figure.classList.add("live");

    const kinds = best > 1 ? ` Thick: the best; green: the next ${best - 1}.` : best ? " Thick: the best." : "";
    const hint = `Point at a line to read it; drag along an axis to keep the lines that cross it there.${kinds}`;
    const ranges = axes.map(() => null);
    let kept = lines.map(() => true), from = null;
    const summary = () => {
      const count = kept.filter(Boolean).length;
      return ranges.some(Boolean) ? `${count.toLocaleString("en")} of ${lines.length.toLocaleString("en")} configurations` : hint;
    };
    const update = () => {
      kept = lines.map((line) => ranges.every((range, place) => !range || (line.at[place] >= range[0] && line.at[place] <= range[1])));
      const every = kept.every(Boolean), count = kept.filter(Boolean).length;
      paths.forEach((path, number) => {
        path.classList.toggle("out", !kept[number]);
        if (!path.classList.contains("first") && !path.classList.contains("next")) {
          path.style.opacity = every ? faint : kept[number] ? Math.min(0.8, Math.max(0.15, 20 / count)) : "";
        }
      });
      ranges.forEach((range, place) => {
        brushes[place].setAttribute("y", range ? yOf(range[1]) : 0);
        brushes[place].setAttribute("height", range ? Math.max(2, yOf(range[0]) - yOf(range[1])) : 0);
      });
      shown.setAttribute("points", "");
      clear.hidden = !ranges.some(Boolean);
      told.textContent = summary();
    };
    const place = (event) => {
      const box = svg.getBoundingClientRect();
      return [((event.clientX - box.left) * WIDTH) / box.width, ((event.clientY - box.top) * HEIGHT) / box.height];
    };

    svg.addEventListener("pointerdown", (event) => {
      const [x, y] = place(event);
      const axis = xs.findIndex((each) => Math.abs(each - x) < NEAR);
      if (axis < 0) return;
      event.preventDefault();
      svg.setPointerCapture(event.pointerId);
      from = { axis, height: heightOf(y) };
    });
    svg.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (from) {
        const to = heightOf(y);
        ranges[from.axis] = [Math.min(from.height, to), Math.max(from.height, to)];
        update();
        return;
      }
      svg.classList.toggle("near", xs.some((each) => Math.abs(each - x) < NEAR));
      let nearest = -1, least = 8;
      lines.forEach((line, number) => {
        const away = kept[number] ? distance(line, xs, x, y) : Infinity;
        if (away <= least) [nearest, least] = [number, away];
      });
      shown.setAttribute("points", nearest < 0 ? "" : paths[nearest].getAttribute("points"));
      told.textContent = nearest < 0 ? summary() : `${lines[nearest].label}: ${lines[nearest].told}`;
    });
    const end = () => {
      // A click is no range: it takes away the one that was there.
      if (from && (!ranges[from.axis] || ranges[from.axis][1] - ranges[from.axis][0] < 0.01)) ranges[from.axis] = null;
      from = null;
      update();
    };
    svg.addEventListener("pointerup", end);
    svg.addEventListener("pointercancel", end);
    svg.addEventListener("pointerleave", () => { if (!from) { shown.setAttribute("points", ""); told.textContent = summary(); } });
    clear.addEventListener("click", () => { ranges.fill(null); update(); });
    update();
  };

  document.querySelectorAll("figure[data-lines]").forEach(draw);
})();
