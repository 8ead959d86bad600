package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/provider"
)

// ignoreOptions are the flag that passes the preflight checks.
type ignoreOptions struct{ names []string }

// ignoreFlag is kubeadm's, see
// https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/.
func ignoreFlag(cmd *cobra.Command, o *ignoreOptions) {
	cmd.Flags().StringSliceVar(&o.names, provider.IgnoreFlag, nil,
		"preflight checks whose errors become warnings, separated by commas: "+strings.Join(provider.Checks(), ", ")+`, or "all"`)
	_ = cmd.RegisterFlagCompletionFunc(provider.IgnoreFlag, completeChecks)
}

// ignored is what the flag passes.
func (o ignoreOptions) ignored() (provider.Ignored, error) {
	ignored, err := provider.ParseIgnored(o.names)
	if err != nil {
		return ignored, &usageError{err: err}
	}
	return ignored, nil
}

// args are the flag again, as it is typed; none where it was not.
func (o ignoreOptions) args() []string {
	if len(o.names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("--%s=%s", provider.IgnoreFlag, strings.Join(o.names, ","))}
}

// completeChecks completes a list of checks, with commas between.
func completeChecks(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	before := listed(begun)
	known := provider.Checks()
	if before == "" {
		known = append(known, "all")
	}
	var list []string
	for _, name := range subtract(known, strings.Split(before, ",")) {
		list = append(list, before+name)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
