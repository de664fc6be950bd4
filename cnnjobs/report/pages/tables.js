
// Tables of results: a click on a heading sorts by it, what is typed above keeps the rows that hold it.
(() => {
  "use strict";
  const units = { d: 86400, h: 3600, min: 60, s: 1 };

  // A number where the cell begins with one (`83.12 ± 0.40 %`, `2 min 05 s`, `1,024`), else its words.
  const valueOf = (text) => {
    const plain = text.trim().replaceAll("−", "-").replaceAll(",", "");
    if (/^(\d+ (d|h|min|s)( |$))+$/.test(plain)) {
      return [...plain.matchAll(/(\d+) (d|h|min|s)/g)].reduce((sum, [, n, unit]) => sum + n * units[unit], 0);
    }
    const number = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?(?=$| )/i.exec(plain);
    return number ? Number(number[0]) : plain;
  };

  // Numbers before words, and what is missing last in both directions.
  const compare = (one, other, sign) => {
    if ((one === "–" || one === "") !== (other === "–" || other === "")) return one === "–" || one === "" ? 1 : -1;
    if (typeof one !== typeof other) return sign * (typeof one === "number" ? -1 : 1);
    return sign * (typeof one === "number" ? one - other : one < other ? -1 : one > other ? 1 : 0);
  };

  const sortBy = (table, heading, column) => {
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column].textContent) }));
    rows.sort((one, other) => compare(one.value, other.value, sign));
    body.append(...rows.map((each) => each.row));
  };

  const filter = (table, text, told) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const cells = [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !words.every((word) => cells.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    told.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("th").forEach((heading, column) => {
      const button = document.createElement("button");
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, heading, column));
      heading.append(button);
    });
    // A table that is seen at a glance needs no filter.
    if (table.tBodies[0].rows.length < 6) continue;
    const bar = document.createElement("p");
    const field = document.createElement("input");
    const told = document.createElement("span");
    bar.className = "filter";
    field.type = "search";
    field.placeholder = "Filter rows";
    field.setAttribute("aria-label", `Filter rows: ${table.caption.textContent}`);
    told.setAttribute("role", "status");
    field.addEventListener("input", () => filter(table, field.value, told));
    bar.append(field, told);
    table.parentElement.before(bar);
  }
})();
