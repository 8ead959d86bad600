//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// ownProcess is the environment variable with the name of the test that a process is for.
const ownProcess = "MKUBE_E2E_OWN_PROCESS"

// inOwnProcess runs the calling test again, in a separate process in parallel with other tests,
// where it may set environment variables. In the separate process, it returns true immediately. In
// the original process, it returns false when the separate process has ended.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownProcess) == t.Name() {
		return true
	}
	t.Parallel()
	// The process gets signals with the group of this process, and deletes its clusters itself.
	cmd := exec.Command(os.Args[0], "-test.run", "^"+regexp.QuoteMeta(t.Name())+"$", "-test.v",
		"-mkube", *mkubePath, "-logs", *logsPath, "-keep="+strconv.FormatBool(*keep))
	cmd.Env = append(os.Environ(), ownProcess+"="+t.Name())
	out, err := cmd.CombinedOutput()
	failIfInterrupted(t)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("the test was not run:\n%s", out)
	}
	return false
}
