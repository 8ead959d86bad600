package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// begun is the time when the tests of this file start.
var begun = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)

// at returns a line of go test -json, some milliseconds after the start.
func at(ms int, action, test, output string) []byte {
	return fmt.Appendf(nil, `{"Time":%q,"Action":%q,"Package":"p","Test":%q,"Output":%q,"Elapsed":%d}`,
		begun.Add(time.Duration(ms)*time.Millisecond).Format(time.RFC3339Nano), action, test, output, ms/1000)
}

// reported returns the output of a report for some lines. The report announces tests before each
// line.
func reported(total int, lines ...[]byte) string {
	var out strings.Builder
	r := newReport(&out, total)
	r.begun = begun
	for _, line := range lines {
		var e event
		_ = json.Unmarshal(line, &e) // a line that is not an event has no time
		r.announce(e.Time)
		r.line(line)
	}
	r.summarize(begun.Add(90 * time.Second))
	return out.String()
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTestsAreReportedAsTheyStartAndEnd(t *testing.T) {
	got := reported(3,
		at(0, "run", "TestWaits", ""), at(0, "output", "TestWaits", "=== PAUSE TestWaits\n"), at(0, "pause", "TestWaits", ""),
		at(2000, "run", "TestA", ""), at(2000, "output", "TestA", "=== RUN   TestA\n"),
		at(5000, "output", "TestA", "    a_test.go:1: all is well\n"), at(7000, "pass", "TestA", ""),
		at(7000, "cont", "TestWaits", ""), at(7000, "output", "TestWaits", "=== CONT  TestWaits\n"),
		at(9000, "output", "TestWaits", "    a_test.go:2: no hypervisor\n"), at(10000, "skip", "TestWaits", ""),
		at(12000, "run", "TestQuick", ""), at(12000, "pass", "TestQuick", ""),
		at(12000, "output", "", "PASS\n"), at(12000, "output", "", "ok  \tp\t12.0s\n"), at(12000, "pass", "", ""))
	wantText(t, got, `[1/3] TestA started
[1/3] PASS TestA (7.0s), 2 left
[2/3] TestWaits started
[2/3] SKIP TestWaits (10.0s), 1 left
    a_test.go:2: no hypervisor
[3/3] PASS TestQuick (12.0s), 0 left

3 of 3 tests in 1m30s: 2 passed, 0 failed, 1 skipped
ok  	p	12.0s
`)
}

func TestAFailureIsReportedAtOnce(t *testing.T) {
	got := reported(2,
		at(0, "run", "TestA", ""), at(0, "run", "TestA/good", ""), at(0, "output", "TestA/good", "noise\n"), at(1000, "pass", "TestA/good", ""),
		at(1000, "run", "TestA/bad", ""), at(1000, "output", "TestA/bad", "    a_test.go:1: broken\n"), at(2000, "fail", "TestA/bad", ""),
		at(8000, "output", "TestA", "    a_test.go:2: the last words\n"), at(9000, "output", "TestA", "--- FAIL: TestA (9s)\n"), at(9000, "fail", "TestA", ""),
		at(9000, "output", "", "said by the package\n"), at(9000, "output", "", "FAIL\n"), at(9000, "output", "", "FAIL\tp\t9.0s\n"), at(9000, "fail", "", ""))
	wantText(t, got, `[1/2] TestA started
[1/2] FAIL TestA/bad (2.0s)
    a_test.go:1: broken
[1/2] FAIL TestA (9.0s), 1 left
    a_test.go:2: the last words
said by the package

failed: TestA/bad
failed: TestA
1 of 2 tests in 1m30s: 0 passed, 1 failed, 0 skipped
FAIL	p	9.0s
FAIL
`)
}

// If a package panics, the running tests have no end, and those that paused never ran.
func TestTestsThatDoNotEndHaveFailed(t *testing.T) {
	got := reported(3,
		at(0, "run", "TestWaits", ""), at(0, "pause", "TestWaits", ""),
		at(0, "run", "TestRuns", ""), at(0, "output", "TestRuns", "as far as here\n"), at(9000, "run", "TestBoom", ""),
		at(9000, "output", "TestBoom", "panic: boom\n"), at(9000, "fail", "TestBoom", ""),
		at(9000, "run", "TestRuns/hangs", ""), at(9000, "output", "TestRuns/hangs", "goroutine 7\n"),
		at(9000, "output", "", "FAIL\tp\t9.0s\n"), at(9000, "fail", "", ""))
	wantText(t, got, `[1/3] TestRuns started
[2/3] FAIL TestBoom (9.0s), 2 left
panic: boom
[1/3] FAIL TestRuns (did not end), 1 left
as far as here
TestRuns/hangs did not end
goroutine 7

failed: TestBoom
failed: TestRuns
2 of 3 tests in 1m30s: 0 passed, 2 failed, 0 skipped
FAIL	p	9.0s
FAIL
`)
}

// A test whose first subtest ends immediately is still announced.
func TestASubtestThatEndsAtOnce(t *testing.T) {
	got := reported(1,
		at(0, "run", "TestA", ""), at(0, "run", "TestA/quick", ""), at(1, "pass", "TestA/quick", ""),
		at(5000, "run", "TestA/slow", ""), at(9000, "pass", "TestA/slow", ""), at(9000, "pass", "TestA", ""))
	if !strings.HasPrefix(got, "[1/1] TestA started\n[1/1] PASS TestA (9.0s), 0 left\n") {
		t.Errorf("the report is\n%s", got)
	}
}

func TestWhatIsNoEventIsPrinted(t *testing.T) {
	got := reported(0, []byte("go: no such module\n"), at(0, "build-output", "", "a.go:1: syntax error\n"))
	if !strings.HasPrefix(got, "go: no such module\na.go:1: syntax error\n") {
		t.Error(got)
	}
}
