// Command kubernetes contains every Kubernetes component, mkube's cloud controller manager, kubectl and
// etcd in one multi-call binary. The name by which the binary is called selects the program.
//
// Separate binaries would have about 600 MB. This binary is linked once, and all processes of a node
// share its pages in the page cache. The components are not changed: each is started through the
// function that its own main package calls.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	_ "time/tzdata" // CronJob time zones, as in upstream's kube-controller-manager

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's exec and OIDC credentials
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go's metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	cloudcontrollermanager "github.com/mkube/mkube/images/cloud-controller-manager"
	networkpolicies "github.com/mkube/mkube/images/network-policies"
)

// programs maps the names by which this binary is called to programs, which return an exit code.
var programs = map[string]func() int{
	"cloud-controller-manager": whenHealthy(component(cloudcontrollermanager.NewCommand)),
	"etcd":                     etcd,
	"kube-apiserver":           component(apiserver.NewAPIServerCommand),
	"kube-controller-manager":  whenHealthy(component(controllermanager.NewControllerManagerCommand)),
	"kube-network-policies":    whenHealthy(component(networkpolicies.NewCommand)),
	"kube-proxy":               component(proxy.NewProxyCommand),
	"kube-scheduler":           component(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":                  component(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kubectl":                  kubectl,
	"metrics-server":           metricsServer,
	"bootstrap-rbac":           bootstrapRBAC,
	"mkube-etcd":               etcdTool,
}

func main() {
	program, ok := programs[filepath.Base(os.Args[0])]
	if !ok && len(os.Args) > 1 {
		// If the binary is called by its own name, the first argument selects the program.
		os.Args = os.Args[1:]
		program, ok = programs[os.Args[0]]
	}
	if !ok {
		fmt.Fprintf(os.Stderr, "usage: %s PROGRAM [ARG ...], where PROGRAM is one of %s\n", filepath.Base(os.Args[0]), names())
		os.Exit(2)
	}
	os.Exit(program())
}

// component returns a program that runs a component's command. The program creates the command only
// when it runs, because that registers flags, which other components must not have.
func component(newCommand func() *cobra.Command) func() int {
	return func() int { return cli.Run(newCommand()) }
}

func etcd() int {
	etcdmain.Main(os.Args)
	return 0
}

// kubectl parses its verbosity early, as the upstream main function does, because kubectl reads plugins
// and kuberc, and logs about them, before it parses the flags.
func kubectl() int {
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args)) // an invalid value is reported when the flags are parsed
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	return 0
}

func names() string {
	var list []string
	for name := range programs {
		list = append(list, name)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}
