"""Results of grading that nobody graded, as grade.py writes them."""


def test(name, verdict="PASS", detail="", cause="", points=10, console=(), **more):
    return {"name": name, "about": "", "verdict": verdict, "max": points,
            "points": points if verdict == "PASS" else 0, "detail": detail, "cause": cause or detail,
            "console": list(console), "run": "", "debug": "", "own": None, "reference": None} | more


test.__test__ = False


def lab(number, *tests, notes=()):
    return {"lab": number, "name": f"0{number}-lab", "title": f"Lab of {number}",
            "points": sum(one["points"] for one in tests), "max": sum(one["max"] for one in tests),
            "notes": list(notes), "tests": list(tests)}


def result(*labs, error=None, ignored=(), missing=(), trouble=""):
    infra = any(one["verdict"] == "INFRA" for graded in labs for one in graded["tests"])
    return {"schema": "ouroboros-grade/1", "error": error, "infra": infra or error is not None,
            "submission": {"name": "as sent", "digest": "d", "ignored": list(ignored),
                           "missing": list(missing), "trouble": trouble},
            "sandbox": "bubblewrap", "points": sum(graded["points"] for graded in labs),
            "max": sum(graded["max"] for graded in labs), "labs": list(labs)}
