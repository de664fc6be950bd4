"""Files that break readers: too large, oddly encoded, YAML's traps, other habits; each with what is said of it."""

from __future__ import annotations

BASE = "base: {dataset: mnist, model: cnn, epochs: 1}\n"
GRID = f"method: grid\n{BASE}"
RANDOM = f"method: random\nrun_cap: 5\n{BASE}"
WIDE = "".join(f"  {key}: {{min: 1, max: 1000}}\n" for key in ("batch_size", "lr_steps", "seed"))
UMLAUT = f"{GRID}description: Hüte\n"

# By what is wrong: the file, and the beginning of what is said first (after its line), or a part of that.
REFUSED: dict[str, tuple[str | bytes, str]] = {
    # too large
    "a thousand million seeds": (
        f"{GRID}seeds: 1000000000\n",
        "3: seeds: found 1,000,000,000 seeds; a sweep has at most",
    ),
    "a long list of seeds": (
        f"{GRID}seeds: {list(range(12000))}\n",
        "3: seeds: 1 configuration with 12,000 seeds each",
    ),
    "a hundred million draws": (
        f"{RANDOM.replace('5', '100000000')}parameters: {{lr: {{min: 0.1, max: 0.2}}}}\n",
        "2: run_cap: 100,000,000 configurations; a sweep has at most 10,000 runs: ask for fewer",
    ),
    "variants times seeds": (
        f"{GRID}seeds: 6000\nvariants: {{a: {{lr: 0.1}}, b: {{lr: 0.2}}}}\n",
        "3: seeds: 2 configurations with 6,000 seeds each are 12,000 runs",
    ),
    "an ablation with many seeds": (
        f"{GRID}seeds: 6000\nablate: true\nparameters: {{lr: {{values: [1, 2]}}}}\n",
        "3: seeds: 3 configurations with 6,000 seeds each are 18,000 runs",
    ),
    "many parameters": (
        f"{GRID}parameters:\n" + "".join(f"  model.k{number}: {{values: [1, 2]}}\n" for number in range(100)),
        "3: parameters: more than 1,000,000,000,000 configurations; a sweep has at most 10,000 runs",
    ),
    "aliases of aliases": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in ("ab", "bc", "cd", "de", "ef")),
        "5: aliases make 66,430 values of this; a sweep file has at most 20,000",
    ),
    "mappings merged into mappings": (
        f"x-a: &a {{{', '.join(f'k{number}: 1' for number in range(200))}}}\n"
        f"x-b: {{<<: [{', '.join(['*a'] * 200)}]}}\n{GRID}",
        "2: aliases make",
    ),
    "an anchor in itself": (f"x-a: &a {{b: *a}}\n{GRID}", "1: the anchor `a` holds itself"),
    "too many values": (f"{GRID}seeds: [{'1,' * 21000}]\n", "3: more than 20,000 keys and values"),
    "a large file": (f"{GRID}# {'x' * 1_000_000}\n", " 1.0 MB is more than any sweep file needs; at most 1 MB"),
    "deep lists": (
        f"a: {'[' * 3000}{']' * 3000}",
        "1: not YAML that can be read: nested too deeply; at most 40 levels",
    ),
    "deep mappings": (
        "".join(f"{' ' * depth}k:\n" for depth in range(100)),
        "40: not YAML that can be read: nested too deeply",
    ),
    "a key without end": (f"{GRID}{'k' * 100_000}: 1\n", "3: a key of 100,000 characters; YAML allows at most 1,024"),
    "a number without end": (
        f"{GRID}seeds: 1{'0' * 5000}\n",
        "3: the number 1000000000000000000000000000000000000... is",
    ),
    "a float without end": (f"{GRID}parameters: {{lr: {{values: [1e400]}}}}\n", "3: the number 1e400 is too large"),
    "exponents without end": (
        f"{RANDOM}parameters: {{lr: {{distribution: log_uniform, min: 0, max: 1000}}}}\n",
        "4: parameters.lr: min 0 and max 1000 are exponents of e; no number is larger than e to the power of 700",
    ),
    "draws without end": (
        f"{RANDOM}parameters: {{lr: {{distribution: log_normal, mu: 1000}}}}\n",
        "4: parameters.lr: mu 1000 and sigma 1 are those of exponents of e; no number is larger "
        "than e to the power of 700",
    ),
    # encodings
    "half a letter": (UMLAUT.encode()[:-1] + b"\xc3", "3: not a text file: byte 0xc3 at position 77 is not UTF-8"),
    "two encodings": (UMLAUT.encode() + b"# \xfc\n", "4: not a text file: byte 0xfc"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "1: not a text file: byte 0x89 at position 0"),
    "a bell": (f"{GRID}description: a\x07b\n", "3: a character that is no text: U+0007; take it out"),
    "half a character": (f'{GRID}name: "a\\ud800"\n', "3: half of a character; write the character itself"),
    "typographic quotes": (GRID.replace("cnn", "“cnn”"), "2: \"“cnn”\" stands in typographic quotes; write 'cnn'"),
    "a minus of a word processor": (
        f"{GRID}parameters: {{lr: {{values: [1e−3]}}}}\n",
        '3: lr: found "1e−3"; write 1e-3',
    ),
    "a decimal comma": (f'{GRID}parameters: {{lr: {{value: "0,1"}}}}\n', '3: lr: found "0,1"; write 0.1, with a point'),
    "a wide colon": (
        f"method：grid\n{BASE}",
        "2: not YAML: mapping values are not allowed here; write a plain colon `:`",
    ),
    # traps
    "a merge of a number": (
        f"{GRID}parameters: {{lr: {{<<: 5, values: [1]}}}}\n",
        "3: <<: found 5, which is no mapping",
    ),
    "a merge of a list": (
        f"{GRID}parameters: {{lr: {{<<: [1], values: [1]}}}}\n",
        "3: <<: found [1], which is no mapping",
    ),
    "no anchor": (f"{GRID}parameters: *nope\n", "3: not YAML: found undefined alias 'nope'; an anchor (&name) stands"),
    "no space after a colon": (
        f"{GRID}parameters:\n  lr:{{values: [0.1]}}\n",
        "4: not YAML: expected <block end>, but found '}' (while parsing a block mapping); "
        "write a space after the colon: `lr: ...`",
    ),
    "no space after the first colon": (
        f"method:grid\n{BASE}",
        "2: not YAML: mapping values are not allowed here; write a",
    ),
    "a merge of git's": (f"<<<<<<< HEAD\n{GRID}=======\n", "2: not YAML: mapping values are not allowed here; git has"),
    "TOML": (
        '[base]\ndataset = "mnist"\n',
        "2: not YAML: expected '<document start>', but found ('<scalar>',); a sweep",
    ),
    "a web page": (
        "<!DOCTYPE html><html>404: not found</html>\n",
        " is a web page, no YAML file; fetch the file itself",
    ),
    "a call of Python's": (
        f"{GRID}parameters: {{lr: !!python/object/apply:os.system ['ls']}}\n",
        "3: the tag `!!python/object/apply:os.system` has no meaning here",
    ),
    "a tag with another value": (GRID.replace("epochs: 1", "drop_last: !!bool banana"), '2: drop_last: found "banana"'),
    "yes and no": (GRID.replace("epochs: 1", "drop_last: no"), '2: drop_last: found "no"; allowed: true or false'),
    "no method": (f"{BASE}parameters: {{lr: {{values: [1]}}}}\n", "2: method: missing; allowed: bayes, grid, random"),
    # habits
    "no seeds": (f"{GRID}seeds: 0\n", "3: seeds: found 0; write how many, or seeds: [0] for one run with seed 0"),
    "values in base": (
        GRID.replace("epochs: 1", "lr: [0.1, 0.2]"),
        "2: lr: found [0.1, 0.2]; to try each of them, write parameters: {lr: {values: [0.1, 0.2]}}",
    ),
    "a range in base": (
        GRID.replace("epochs: 1", "lr: {min: 0.1, max: 0.2}"),
        '2: base.lr: found `min`, `max`, as in `parameters`; write parameters: {lr: {"min": 0.1, "max": 0.2}}',
    ),
    "values at the top": (
        f"{GRID}lr: [0.1, 0.2]\n",
        "3: lr: stands at the top of the file; write parameters: {lr: {values: [0.1, 0.2]}}",
    ),
    "another name of a metric": (
        f"{GRID}metric: val_acc\n",
        "3: metric.name: no metric is called `val_acc`; did you mean `validation.accuracy`? allowed: train.loss",
    ),
    "the test split as a metric": (
        f"{GRID}metric: {{name: test_accuracy}}\n",
        "3: metric.name: no metric is called `test_accuracy`; did you mean `validation.accuracy`? allowed: train.loss",
    ),
    "values that are exponents": (
        f"{RANDOM}parameters: {{lr: {{distribution: log_uniform, min: 0.0001, max: 1}}}}\n",
        "4: parameters.lr: min and max of `log_uniform` are exponents of e: 0.0001 and 1 give values from 1 to 2.718; "
        "did you mean `log_uniform_values`?",
    ),
    "mixed precision": (
        GRID.replace("epochs: 1", "amp: true"),
        "2: amp: unknown key; did you mean `precision: bfloat16`?",
    ),
    "published weights": (
        GRID.replace("epochs: 1", "pretrained: true"),
        "2: pretrained: unknown key; did you mean `weights: DEFAULT`?",
    ),
    "gradients that are cut": (
        GRID.replace("epochs: 1", "gradient_clip_val: 1"),
        "2: gradient_clip_val: unknown key; no key of a run: gradients are not clipped",
    ),
    "a device": (
        GRID.replace("epochs: 1", "device: cuda"),
        "2: device: unknown key; no key of a run: write job: {gpus_per_",
    ),
    "the folder of a data set": (
        GRID.replace("mnist", "{name: image_folder, root: data}"),
        "2: dataset.root: dataset `image_folder` has no `root`; a folder of images is named itself: dataset: flowers",
    ),
}

# By what is odd: the file, how many runs it has, and a part of what is noted; "" where there is nothing to note.
READ: dict[str, tuple[str | bytes, int, str]] = {
    "UTF-16": (UMLAUT.encode("utf-16"), 1, "read as UTF-16"),
    "UTF-16 without a mark": (GRID.encode("utf-16-be"), 1, "read as UTF-16-BE"),
    "UTF-32": (UMLAUT.encode("utf-32"), 1, "read as UTF-32"),
    "a mark of UTF-8": (UMLAUT.encode("utf-8-sig"), 1, ""),
    "Windows-1252": (UMLAUT.encode("cp1252"), 1, "3: byte 0xfc at position 73 is not UTF-8; the file is read as"),
    "line ends of Windows": (f"{GRID}seeds: 2\n".replace("\n", "\r\n"), 2, ""),
    "line ends of old Macs": (f"{GRID}seeds: 2\n".replace("\n", "\r"), 2, ""),
    "no-break spaces before a key": (
        f"{GRID}parameters:\n\u00a0\u00a0lr: {{values: [0.1]}}\n",
        1,
        "4: found the character U+00A0 in place of a space",
    ),
    "no-break spaces behind a colon": (f"{GRID}seeds:\u00a03\n", 3, "3: found the character U+00A0"),
    "a space without width": (f"\u200b{GRID}", 1, "1: found the character U+200B"),
    "a no-break space that is meant": (f"{GRID}description: 'a\u00a0b'\n", 1, ""),
    "a place for anchors": (f"x-c: &c {{lr: 0.1}}\n{GRID.replace('{dataset', '{<<: *c, dataset')}", 1, ""),
    "an anchor given anew": (f"x-a: &a 1\nx-b: &a 2\n{GRID}seeds: *a\n", 2, ""),
    "an older YAML": (f"%YAML 1.1\n---\n{GRID.replace('epochs: 1', 'drop_last: no')}", 1, ""),
    "an end of nothing": (f"---\n{GRID}---\n", 1, ""),
    "JSON with tabs": ('{\n\t"method": "grid",\n\t"base": {"dataset": "mnist", "model": "cnn"}\n}', 1, ""),
    "a name that is a path": (f"{GRID}name: cifar/run1\n", 1, '3: name: "cifar/run1" is called cifar-run1'),
    "a name that leads elsewhere": (f"{GRID}name: ../../etc\n", 1, '3: name: "../../etc" is called etc'),
    "a name without end": (f"{GRID}name: {'n' * 300}\n", 1, "since it becomes a folder's name"),
    "one group": (
        f"{GRID}zip: [lr, seed]\nparameters: {{lr: {{values: [1, 2]}}, seed: {{values: [1, 2]}}}}\n",
        2,
        "3: zip: read as one group: zip: [[lr, seed]]",
    ),
    "a metric by its name": (f"{GRID}metric: validation.loss\n", 1, ""),
    "parameters in parameters": (
        f"{GRID}parameters: {{optimizer: {{momentum: {{values: [0, 0.9]}}}}}}\n",
        2,
        "read as optimizer: {parameters: ...}",
    ),
    "exponents that are meant": (
        f"{RANDOM}parameters: {{lr: {{distribution: log_uniform, min: -9, max: -2}}}}\n",
        5,
        "-9 and -2 give values from 0.0001234 to 0.1353",
    ),
    "a cut grid": (
        f"{GRID}run_cap: 3\nparameters: {{seed: {{min: 1, max: 1000}}, batch_size: {{min: 1, max: 1000}}}}\n",
        3,
        "run_cap: the first 3 configurations are run, the rest is left out",
    ),
    "more draws than there are": (
        f"{RANDOM}parameters: {{batch_size: {{min: 16, max: 18}}}}\n",
        3,
        "2: run_cap: 5 different configurations are asked for, and there are only 3: these are run",
    ),
    "draws that never come": (
        f"{RANDOM}parameters: {{lr: {{values: [0.1, 0.2], probabilities: [1, 0]}}}}\n",
        1,
        "2: run_cap: 5 different configurations are asked for, and 1,012 draws gave 1: these are run",
    ),
    "draws for each variant": (
        f"{RANDOM}variants: {{a: {{lr: 0.1}}, b: {{lr: 0.2}}}}\nparameters: {{seed: {{min: 1, max: 99}}}}\n",
        4,
        "2: run_cap: 5 configurations are 2 for each of 2 variants: 4 are run",
    ),
}
