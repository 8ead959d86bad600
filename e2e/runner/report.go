package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// settled is how long a test runs until it is reported as started. Before that, a parallel test
// pauses to wait for its turn, and a unit test ends.
const settled = 300 * time.Millisecond

// event is a line of go test -json, see go doc test2json.
type event struct {
	Time                          time.Time
	Action, Package, Test, Output string
	Elapsed                       float64
}

// id names a test or a subtest. If name is empty, it names a package.
type id struct{ pkg, name string }

// entry is a test that has not ended.
type entry struct {
	number  int       // 0 until it is announced
	running time.Time // when it began to run; zero while it pauses
}

// report prints the progress of tests.
type report struct {
	out     io.Writer
	begun   time.Time
	total   int
	started int
	results map[string]int // number of tests by result
	entries map[id]*entry  // tests that have not ended
	order   []id           // the same tests, in the order in which they began
	output  map[id][]string
	failed  []string
	summary []string // the last lines of packages
}

func newReport(out io.Writer, total int) *report {
	return &report{
		out: out, begun: time.Now(), total: total,
		results: map[string]int{}, entries: map[id]*entry{}, output: map[id][]string{},
	}
}

// line processes a line of go test's output.
func (r *report) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		r.printf("%s", line)
		return
	}
	test := id{e.Package, e.Test}
	_, _, sub := strings.Cut(e.Test, "/")
	switch {
	case e.Action == "build-output":
		r.printf("%s", e.Output)
	case e.Test == "":
		r.packageEvent(e)
	case e.Action == "output":
		if !isFrame(e.Output) {
			r.output[test] = append(r.output[test], e.Output)
		}
	case e.Action == "pass", e.Action == "fail", e.Action == "skip":
		r.end(test, sub, strings.ToUpper(e.Action), fmt.Sprintf("%.1fs", e.Elapsed))
	case sub:
	case e.Action == "run":
		r.entries[test] = &entry{running: e.Time}
		r.order = append(r.order, test)
	case e.Action == "pause":
		r.entries[test].running = time.Time{}
	case e.Action == "cont":
		r.entries[test].running = e.Time
	}
}

// packageEvent prints the output of a package outside of its tests. The result of the package is
// part of the summary.
func (r *report) packageEvent(e event) {
	switch {
	case e.Action == "fail":
		r.abandon(e.Package)
	case e.Action != "output", e.Output == "PASS\n", e.Output == "FAIL\n", strings.HasPrefix(e.Output, "?   \t"): // of a package without test files, too
	case strings.HasPrefix(e.Output, "ok  \t"), strings.HasPrefix(e.Output, "FAIL\t"):
		r.summary = append(r.summary, e.Output)
	default:
		r.printf("%s", e.Output)
	}
}

// abandon reports the tests that did not end when their package ended, because another test
// panicked or the time was over.
func (r *report) abandon(pkg string) {
	for _, test := range append([]id(nil), r.order...) {
		if test.pkg != pkg {
			continue
		}
		if e := r.entries[test]; e.number == 0 && e.running.IsZero() {
			r.drop(test) // it never ran
			continue
		}
		r.end(test, false, "FAIL", "did not end")
		for _, sub := range slices.SortedFunc(maps.Keys(r.output), func(a, b id) int { return strings.Compare(a.name, b.name) }) {
			if sub.pkg == pkg && strings.HasPrefix(sub.name, test.name+"/") {
				r.printf("%s did not end\n%s", sub.name, strings.Join(r.output[sub], ""))
			}
		}
	}
}

// announce reports the tests that have started by now.
func (r *report) announce(now time.Time) {
	for _, test := range r.order {
		e := r.entries[test]
		if e.number == 0 && !e.running.IsZero() && now.Sub(e.running) >= settled {
			r.number(e)
			r.printf("[%d/%d] %s started\n", e.number, r.total, test.name)
		}
	}
}

func (r *report) number(e *entry) {
	r.started++
	r.total = max(r.total, r.started)
	e.number = r.started
}

// end reports a test that has ended, with its output unless it passed.
func (r *report) end(test id, sub bool, result, took string) {
	if sub && result == "PASS" {
		delete(r.output, test)
		return // its test is not announced yet
	}
	left := ""
	top, _, _ := strings.Cut(test.name, "/")
	e, ok := r.entries[id{test.pkg, top}]
	if !ok {
		return
	}
	if e.number == 0 {
		r.number(e)
	}
	if !sub {
		r.results[result]++
		left = fmt.Sprintf(", %d left", r.total-r.results["PASS"]-r.results["FAIL"]-r.results["SKIP"])
	}
	r.printf("[%d/%d] %s %s (%s)%s\n", e.number, r.total, result, test.name, took, left)
	if result != "PASS" {
		r.printf("%s", strings.Join(r.output[test], ""))
	}
	if result == "FAIL" {
		r.failed = append(r.failed, test.name)
	}
	delete(r.output, test)
	if !sub {
		r.drop(test)
	}
}

// drop removes a test that does not run any more.
func (r *report) drop(test id) {
	delete(r.entries, test)
	for i := range r.order {
		if r.order[i] == test {
			r.order = append(r.order[:i], r.order[i+1:]...)
			break
		}
	}
}

// summarize prints the failed tests and the results of the packages.
func (r *report) summarize(now time.Time) {
	r.printf("\n")
	for _, name := range r.failed {
		r.printf("failed: %s\n", name)
	}
	r.printf("%d of %d tests in %s: %d passed, %d failed, %d skipped\n", r.results["PASS"]+r.results["FAIL"]+r.results["SKIP"], r.total,
		now.Sub(r.begun).Round(time.Second), r.results["PASS"], r.results["FAIL"], r.results["SKIP"])
	failed := len(r.failed) > 0
	for _, line := range r.summary {
		r.printf("%s", line)
		failed = failed || strings.HasPrefix(line, "FAIL")
	}
	if failed {
		r.printf("FAIL\n")
	}
}

func (r *report) printf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }

// isFrame reports whether go test wrote the line, and not a test.
func isFrame(line string) bool {
	line = strings.TrimLeft(line, " ")
	for _, prefix := range []string{"=== RUN ", "=== PAUSE ", "=== CONT ", "=== NAME ", "--- PASS: ", "--- FAIL: ", "--- SKIP: "} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
