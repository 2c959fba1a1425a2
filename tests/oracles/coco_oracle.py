#!/usr/bin/env python3
"""Writes tests/oracles/coco_expected.txt: what pycocotools says about 24 random data sets with crowds, ties, areas and empty classes.

    pip install pycocotools numpy && python3 tests/oracles/coco_oracle.py

The data sets come from a 64-bit linear congruential generator that tests/metrics/coco_oracle_test.cpp repeats; boxes are in quarter pixels, so
both languages hold the same doubles. Each line: seed, variant, then the 12 numbers (17 digits). Variants: default, useCats0, maxDets137.
"""
import contextlib
import io
import os

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MASK = (1 << 64) - 1


class Random:
    def __init__(self, seed):
        self.state = seed
        for _ in range(4):
            self.bounded(2)

    def bounded(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 33) % n


def data_set(seed):
    r = Random(seed)
    images = [{"id": 10 * i + r.bounded(10), "width": 640, "height": 480} for i in range(3 + r.bounded(10))]
    categories = [{"id": 1 + 2 * k, "name": "c%d" % k} for k in range(1 + r.bounded(5))]
    truths, detections = [], []
    sides = (40, 200, 700)
    for image in images:
        for category in categories:
            for _ in range(r.bounded(5)):
                span = sides[r.bounded(3)]
                x, y = r.bounded(1200), r.bounded(1200)
                w, h = 8 + r.bounded(span), 8 + r.bounded(span)
                crowd = r.bounded(8) == 0
                # A mask area of 3/4, 1 or exactly 32^2.
                kind = r.bounded(4)
                area = 1024.0 if kind == 0 else w * h / 16.0 * (0.75 if kind == 1 else 1.0)
                truths.append({"id": len(truths) + 1, "image_id": image["id"], "category_id": category["id"], "iscrowd": int(crowd),
                               "bbox": [x / 4, y / 4, w / 4, h / 4], "area": area})
                for _ in range(r.bounded(4)):
                    jitter = 1 + r.bounded(30)
                    dx, dy = r.bounded(2 * jitter) - jitter, r.bounded(2 * jitter) - jitter
                    dw, dh = r.bounded(2 * jitter) - jitter, r.bounded(2 * jitter) - jitter
                    detections.append({"image_id": image["id"], "category_id": category["id"], "score": r.bounded(20) / 20,
                                       "bbox": [(x + dx) / 4, (y + dy) / 4, max(4, w + dw) / 4, max(4, h + dh) / 4]})
            for _ in range(r.bounded(3)):
                detections.append({"image_id": image["id"], "category_id": category["id"], "score": r.bounded(20) / 20,
                                   "bbox": [r.bounded(1200) / 4, r.bounded(1200) / 4, (4 + r.bounded(400)) / 4, (4 + r.bounded(400)) / 4]})
    return images, categories, truths, detections


def evaluate(seed, variant):
    images, categories, truths, detections = data_set(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = {"images": images, "categories": categories, "annotations": truths, "info": {}}
        gt.createIndex()
        dt = gt.loadRes(detections)
        run = COCOeval(gt, dt, "bbox")
        if variant == "useCats0":
            run.params.useCats = 0
        if variant == "maxDets137":
            run.params.maxDets = [1, 3, 7]
        run.evaluate()
        run.accumulate()
        if variant == "maxDets137":
            # summarize() looks for 100; name the last one so.
            run.eval["params"].maxDets = run.params.maxDets = [1, 3, 100]
        run.summarize()
    return run.stats


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "coco_expected.txt"), "w") as out:
        out.write("# written by coco_oracle.py with numpy %s and pycocotools\n" % np.__version__)
        for seed in range(1, 25):
            for variant in ("default", "useCats0", "maxDets137"):
                out.write("%d %s %s\n" % (seed, variant, " ".join(repr(float(v)) for v in evaluate(seed, variant))))


if __name__ == "__main__":
    main()
