// Command mkube-node contains the programs of mkube on a node that make decisions, in one multi-call
// binary. The name by which the binary is called selects the program. The binary is small, because
// mkube-probe runs many times while a cluster comes up.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A program returns an exit code: 0 for success, 1 for failure, 2 for wrong arguments.
type program func(args []string, stdout, stderr io.Writer) int

// programs maps names to programs.
var programs = map[string]program{
	"mkube-node-dns":    nodeDNS,
	"mkube-node-limits": nodeLimits,
	"mkube-probe":       probe,
	"mkube-resolve":     resolve,
	"mkube-volume":      volume,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s is not a name of this program\n", name)
		os.Exit(2)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
