package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// report contains the fields of Ginkgo's JSON report that this program uses, see
// https://pkg.go.dev/github.com/onsi/ginkgo/v2/types#Report.
type report struct {
	PreRunStats struct{ SpecsThatWillRun int }
	SpecReports []spec
}

// spec is one test, or a step before or after all of them.
type spec struct {
	ContainerHierarchyTexts []string
	LeafNodeType            string
	LeafNodeText            string
	State                   string
	// LeafNodeLabels and the labels of its containers contain the label Serial if the spec must
	// run alone.
	LeafNodeLabels           []string
	ContainerHierarchyLabels [][]string
	RunTime                  time.Duration
	// NumAttempts is 0 for specs that were not chosen.
	NumAttempts int
	Failure     failure
	// AdditionalFailures are the failures of earlier attempts.
	AdditionalFailures []struct{ Failure failure }
}

type failure struct{ Message string }

// short returns the beginning of the message, for a summary. Ginkgo's own output contains the
// whole message.
func (f failure) short() string {
	const most = 600
	if len(f.Message) > most {
		return f.Message[:most] + " ..."
	}
	return f.Message
}

func (s spec) name() string {
	return strings.Join(append(slices.Clone(s.ContainerHierarchyTexts), s.LeafNodeText), " ")
}

func (s spec) isTest() bool { return s.LeafNodeType == "It" }

// failed reports whether the spec failed, panicked, timed out or was interrupted.
func (s spec) failed() bool {
	return s.State != "passed" && s.State != "skipped" && s.State != "pending"
}

func readReport(file string) (report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return report{}, fmt.Errorf("reading what the suite reports: %w", err)
	}
	var suites []report
	if err := json.Unmarshal(data, &suites); err != nil {
		return report{}, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(suites) != 1 {
		return report{}, fmt.Errorf("reading %s: it tells of %d suites, not of one", file, len(suites))
	}
	return suites[0], nil
}

// count is the number of chosen specs by their result.
type count struct{ ran, passed, again, failed int }

func (r report) count(which func(spec) bool) count {
	var n count
	for _, s := range r.SpecReports {
		switch {
		case !s.isTest() || !which(s):
		case s.State == "passed":
			n.ran++
			n.passed++
			if s.NumAttempts > 1 {
				n.again++
			}
		case s.failed():
			n.ran++
			n.failed++
		}
	}
	return n
}

func all(spec) bool { return true }

// print prints each failure, the slowest specs, and the sums.
func (r report) print(w io.Writer, elapsed time.Duration) {
	for _, s := range r.SpecReports {
		if reason := s.reason(); reason != "" {
			fmt.Fprintf(w, "%s (%s)\n    %s\n", s.name(), s.RunTime.Round(time.Second), strings.ReplaceAll(reason, "\n", "\n    "))
		}
	}
	fmt.Fprintln(w, "\nthe longest:")
	for _, s := range r.longest(5) {
		fmt.Fprintf(w, "%6s  %s\n", s.RunTime.Round(time.Second), s.name())
	}
	serial := r.count(func(s spec) bool { return s.alone() })
	sum := r.count(all)
	fmt.Fprintf(w, "\n%d specs in %s, %d of them at once and %d one by one\n", r.PreRunStats.SpecsThatWillRun, elapsed.Round(time.Second), sum.ran-serial.ran, serial.ran)
	fmt.Fprintf(w, "%d ran, %d passed, %d failed\n", sum.ran, sum.passed, sum.failed)
	if sum.again > 0 {
		fmt.Fprintf(w, "%d of those that passed had failed before, see above\n", sum.again)
	}
}

// alone reports whether a spec runs while no other does.
func (s spec) alone() bool {
	return slices.Contains(slices.Concat(append(s.ContainerHierarchyLabels, s.LeafNodeLabels)...), "Serial")
}

// reason returns why a spec failed, or the failures of earlier attempts. It is empty for a spec
// that passed at the first attempt.
func (s spec) reason() string {
	switch {
	case s.failed():
		return s.State + ": " + s.Failure.short()
	case s.isTest() && s.State == "skipped" && s.NumAttempts > 0:
		return "skipped itself: " + s.Failure.short()
	case len(s.AdditionalFailures) > 0:
		return fmt.Sprintf("passed at attempt %d: %s", s.NumAttempts, s.AdditionalFailures[0].Failure.short())
	}
	return ""
}

func (r report) longest(n int) []spec {
	specs := slices.DeleteFunc(slices.Clone(r.SpecReports), func(s spec) bool { return !s.isTest() || s.State == "skipped" })
	slices.SortFunc(specs, func(a, b spec) int { return cmp.Compare(b.RunTime, a.RunTime) })
	return specs[:min(n, len(specs))]
}

// check returns an error unless all chosen specs have passed.
func (r report) check() error {
	chosen, passed := r.PreRunStats.SpecsThatWillRun, r.count(all).passed
	switch {
	case chosen == 0:
		return fmt.Errorf("no spec was chosen: look at --focus and --labels")
	case passed != chosen:
		return fmt.Errorf("%d of %d specs did not pass", chosen-passed, chosen)
	}
	return nil
}
