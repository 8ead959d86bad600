//go:build nometrics

package main

import (
	"fmt"
	"os"
)

// metricsServer is for Kubernetes releases with which metrics-server cannot be built, see
// pkg/nodeimage.
func metricsServer() int {
	fmt.Fprintln(os.Stderr, "this binary does not contain a metrics-server for this Kubernetes release")
	return 1
}
