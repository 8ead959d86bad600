//go:build !unix

package external

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func interrupt(cmd *exec.Cmd) error { return cmd.Process.Signal(os.Interrupt) }

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may have ended

// readNow reads nothing: these systems cannot read from a pipe without waiting.
func readNow(*os.File, []byte) (int, error) { return 0, nil }

// tryLock locks nothing: these systems have no lock that ends with its process.
func tryLock(*os.File) error { return nil }
