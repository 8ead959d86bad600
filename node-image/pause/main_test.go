package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start runs pause, which inherits three children that end. It waits until pause has reaped them,
// because from then on pause handles signals. pause ends with the test.
func start(t *testing.T) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), "pause")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("/bin/sh", "-c", `true & true & true & exec "$0"`, program)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	proc := "/proc/" + strconv.Itoa(cmd.Process.Pid)
	until(t, "pause reaps the children that it inherits", func() bool {
		name, err := os.ReadFile(proc + "/comm")
		if err != nil {
			t.Fatal(err)
		}
		children, err := os.ReadFile(proc + "/task/" + strconv.Itoa(cmd.Process.Pid) + "/children")
		if err != nil {
			t.Fatal(err)
		}
		if string(name) == "pause\n" && len(children) == 0 {
			return true
		}
		// SIGCHLD is lost for children that ended before pause started.
		if err := cmd.Process.Signal(syscall.SIGCHLD); err != nil {
			t.Fatal(err)
		}
		return false
	})
	return cmd
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}

// TestPauseEndsWhenItIsTold checks that pause ends immediately and with success on each of the signals
// that end a pod's container.
func TestPauseEndsWhenItIsTold(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := start(t)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %s pause ends with %v", signal, err)
		}
	}
}

// TestReap checks that one call reaps all children that have ended. No other test may run at the same
// time, because reap reaps any child of this process.
func TestReap(t *testing.T) {
	var pids []int
	for range 3 {
		p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, p.Pid)
		zombie(t, p.Pid)
	}
	reap()
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); !os.IsNotExist(err) {
			t.Errorf("child %d is still there: %v", pid, err)
		}
	}
	reap() // returns if there are no children
}

// zombie waits until a child has ended.
func zombie(t *testing.T, pid int) {
	t.Helper()
	until(t, "the child ends", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(stat), ") Z ")
	})
}
