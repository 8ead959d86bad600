package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// kubernetesVersion is the default Kubernetes release of clusters. It is the release that
// node-image/kubernetes/go.mod pins.
const kubernetesVersion = "v1.37.2"

// versions is the result of mkube version.
type versions struct {
	Version    string `json:"version"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Kubernetes string `json:"kubernetes"`
}

func (a app) versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of mkube and its default Kubernetes release",
		Example: `  mkube version
  mkube version -o json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versions{version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kubernetesVersion}
			return a.print(format, v, func() {
				fmt.Fprintf(a.out, "mkube %s %s %s/%s, Kubernetes %s\n", v.Version, v.Go, v.OS, v.Arch, v.Kubernetes)
			})
		},
	}
	outputFlag(cmd, &format, formatJSON, formatYAML)
	return cmd
}

// version returns the version of the module that the go command built, from its tag or commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
