package component

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/mkube/mkube/pkg/config"
)

// A Flag is one flag of a component and the reason that mkube gives it.
type Flag struct {
	Name, Value string
	// Why is one sentence for a learner. The flags of every component are in
	// https://kubernetes.io/docs/reference/command-line-tools-reference/.
	Why string
}

// Args are a component's flags as arguments: those of mkube in order, changed by
// the user's extraArgs, then the user's others in alphabetical order.
func Args(cfg config.Cluster, component string, flags []Flag) []string {
	extra := cfg.ExtraArgs[component]
	var args []string
	for _, f := range flags {
		value := f.Value
		if v, ok := extra[f.Name]; ok {
			value = v
		}
		args = append(args, "--"+f.Name+"="+value)
	}
	for name, value := range extra {
		if !slices.ContainsFunc(flags, func(f Flag) bool { return f.Name == name }) {
			args = append(args, "--"+name+"="+value)
		}
	}
	sort.Strings(args[len(flags):])
	return args
}

// Environment writes arguments so that systemd splits the variable into them again,
// see systemd.exec(5), EnvironmentFile=.
func Environment(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(arg) + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(strings.Join(quoted, " ")) + `"`
}

// FeatureGates is the flag that hands the cluster's feature gates to a component,
// or none.
func FeatureGates(cfg config.Cluster) []Flag {
	if len(cfg.FeatureGates) == 0 {
		return nil
	}
	var gates []string
	for name, on := range cfg.FeatureGates {
		gates = append(gates, fmt.Sprintf("%s=%t", name, on))
	}
	sort.Strings(gates)
	return []Flag{{"feature-gates", strings.Join(gates, ","), "These feature gates come from the cluster's configuration."}}
}

// LeaderElect is the flag that says whether a component must win an election
// before it works: of one there is no need, and it would cost seconds at start.
func LeaderElect(controlPlanes int) Flag {
	return Flag{"leader-elect", fmt.Sprint(controlPlanes > 1), "Only one instance may be active. With one control plane there is no other, and an election would only delay the start by seconds."}
}
