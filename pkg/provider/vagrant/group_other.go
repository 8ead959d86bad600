//go:build !unix

package vagrant

import "os/exec"

func ownGroup(*exec.Cmd) {}

// lock locks nothing: these systems have no lock that ends with its process.
func lock(string) (unlock func(), err error) { return func() {}, nil }
