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

// ownProcess is the environment variable that names the test which a process is for.
const ownProcess = "MKUBE_E2E_OWN_PROCESS"

// inOwnProcess runs the calling test once more, in a process of its own beside other tests:
// there it may set environment variables. It reports whether this is that process. In the
// other, the test is over when it returns.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownProcess) == t.Name() {
		return true
	}
	t.Parallel()
	// Signals reach it with the group of this process, and it takes its clusters away itself.
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
