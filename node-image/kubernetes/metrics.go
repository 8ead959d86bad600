//go:build !nometrics

package main

import (
	"github.com/spf13/cobra"
	"k8s.io/apiserver/pkg/server"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

func metricsServer() int {
	return component(func() *cobra.Command { return metricsserver.NewMetricsServerCommand(server.SetupSignalHandler()) })()
}
