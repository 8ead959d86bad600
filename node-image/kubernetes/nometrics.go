//go:build nometrics

package main

import (
	"fmt"
	"os"
)

// metricsServer is for releases that metrics-server cannot be built with, see
// pkg/nodeimage.
func metricsServer() int {
	fmt.Fprintln(os.Stderr, "there is no metrics-server for this Kubernetes release in here")
	return 1
}
