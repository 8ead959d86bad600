package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write writes a report of specs in JSON. chosen is the number of specs that were chosen.
func write(t *testing.T, chosen int, specs ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	data := fmt.Sprintf(`[{"PreRunStats": {"SpecsThatWillRun": %d}, "SpecReports": [%s]}]`, chosen, strings.Join(specs, ","))
	if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	passed   = `{"LeafNodeType": "It", "ContainerHierarchyTexts": ["[sig-node]", "Pods"], "LeafNodeText": "should start", "State": "passed", "NumAttempts": 1, "RunTime": 2000000000}`
	alone    = `{"LeafNodeType": "It", "LeafNodeText": "alone", "State": "passed", "ContainerHierarchyLabels": [null, ["Serial"]], "NumAttempts": 1, "RunTime": 61000000000}`
	failed   = `{"LeafNodeType": "It", "LeafNodeText": "breaks", "State": "failed", "NumAttempts": 1, "RunTime": 3000000000, "Failure": {"Message": "first\nsecond"}}`
	timedOut = `{"LeafNodeType": "It", "LeafNodeText": "hangs", "State": "timedout", "NumAttempts": 1, "Failure": {"Message": "too long"}}`
	skipped  = `{"LeafNodeType": "It", "LeafNodeText": "needs more", "State": "skipped", "NumAttempts": 1, "Failure": {"Message": "no second node"}}`
	leftOut  = `{"LeafNodeType": "It", "LeafNodeText": "another", "State": "skipped"}`
	again    = `{"LeafNodeType": "It", "LeafNodeText": "flakes", "State": "passed", "NumAttempts": 2, "RunTime": 1000000000, "AdditionalFailures": [{"State": "failed", "Failure": {"Message": "Failure recorded during attempt 1:\nempty"}}]}`
	before   = `{"LeafNodeType": "SynchronizedBeforeSuite", "State": "failed", "NumAttempts": 1, "Failure": {"Message": "no cluster"}}`
	quiet    = `{"LeafNodeType": "SynchronizedAfterSuite", "State": "passed", "NumAttempts": 1}`
)

func TestReportPrints(t *testing.T) {
	t.Parallel()
	r, err := readReport(write(t, 6, passed, alone, again, failed, timedOut, skipped, leftOut, quiet))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r.print(&out, 63*time.Second)
	want := `flakes (1s)
    passed at attempt 2: Failure recorded during attempt 1:
    empty
breaks (3s)
    failed: first
    second
hangs (0s)
    timedout: too long
needs more (0s)
    skipped itself: no second node

the longest:
  1m1s  alone
    3s  breaks
    2s  [sig-node] Pods should start
    1s  flakes
    0s  hangs

6 specs in 1m3s, 4 of them at once and 1 one by one
5 ran, 3 passed, 2 failed
1 of those that passed had failed before, see above
`
	if out.String() != want {
		t.Errorf("print writes\n%s; want\n%s", out.String(), want)
	}
}

// TestReportCheck checks that a chosen spec that did not pass is an error: it failed, skipped
// itself, or never ran.
func TestReportCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		chosen int
		specs  []string
		want   string
	}{
		"all passed":     {2, []string{passed, alone, leftOut, quiet}, "<nil>"},
		"passed later":   {2, []string{passed, again}, "<nil>"},
		"a failure":      {2, []string{passed, failed}, "1 of 2 specs did not pass"},
		"a timeout":      {2, []string{passed, timedOut}, "1 of 2 specs did not pass"},
		"skipped itself": {2, []string{passed, skipped}, "1 of 2 specs did not pass"},
		"never ran":      {3, []string{passed, before}, "2 of 3 specs did not pass"},
		"none chosen":    {0, []string{leftOut}, "no spec was chosen: look at --focus and --labels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := readReport(write(t, test.chosen, test.specs...))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.check(); fmt.Sprint(err) != test.want {
				t.Errorf("check = %v; want %s", err, test.want)
			}
		})
	}
}

func TestReportTellsWhyNothingRan(t *testing.T) {
	t.Parallel()
	r, err := readReport(write(t, 1, before))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r.print(&out, 0)
	if !strings.Contains(out.String(), "failed: no cluster") {
		t.Errorf("print writes\n%s", out.String())
	}
}

func TestReadReportErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "report.json")
	for data, want := range map[string]string{
		"":   "unexpected end of JSON input",
		"[]": "it tells of 0 suites, not of one",
	} {
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readReport(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("readReport(%q) = %v; want %s", data, err, want)
		}
	}
	if _, err := readReport(file + ".none"); !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Errorf("readReport = %v", err)
	}
}
