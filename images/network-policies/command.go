// Package networkpolicies enforces NetworkPolicies on a node. The library kube-network-policies, a
// project of Kubernetes SIG Network, decides whether policies allow a packet. This package passes the
// packets to the library. It uses the NFQUEUE target of iptables, which far more kernels support than
// the queue statement of nftables, which the program of that project uses.
//
// See https://kubernetes.io/docs/concepts/services-networking/network-policies/ and
// https://github.com/kubernetes-sigs/kube-network-policies.
package networkpolicies

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	"sigs.k8s.io/kube-network-policies/pkg/podinfo"
)

type options struct {
	kubeconfig, node, healthAddress string
}

// NewCommand returns the command kube-network-policies. It runs until it receives SIGTERM or SIGINT.
// Its iptables rules remain after that, and accept all packets.
func NewCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "kube-network-policies", Short: "Enforce NetworkPolicies on this node",
		Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return o.run(ctx)
		},
	}
	cmd.Flags().StringVar(&o.kubeconfig, "kubeconfig", "", "path of the kubeconfig with the API server and the credentials of this program")
	cmd.Flags().StringVar(&o.node, "hostname-override", "", "the name of this node")
	cmd.Flags().StringVar(&o.healthAddress, "healthz-bind-address", "127.0.0.1:10262", "address that serves /healthz, which returns 200 once the policies are known and packets are checked")
	verbosity := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(verbosity)
	cmd.Flags().AddGoFlagSet(verbosity)
	return cmd
}

func (o options) run(ctx context.Context) error {
	engine, start, err := o.engine(ctx)
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	engine.SetDataplaneSyncCallbacks(func() {
		select {
		case changed <- struct{}{}:
		default: // an update is already pending
		}
	})
	start()
	queue, err := listen(ctx, engine)
	if err != nil {
		return fmt.Errorf("listening on queue %d: %w", queueNumber, err)
	}
	defer queue.Close()
	server := &http.Server{Addr: o.healthAddress, Handler: health(engine), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.ListenAndServe() }()
	defer server.Close()
	return divert(ctx, engine, changed)
}

// engine returns the policy engine, which decides about packets. The engine has no policies, pods and
// namespaces until start is called, which starts to watch them until ctx ends.
func (o options) engine(ctx context.Context) (engine *networkpolicy.PolicyEngine, start func(), err error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	namespaces, pods := factory.Core().V1().Namespaces(), factory.Core().V1().Pods()
	policies := factory.Networking().V1().NetworkPolicies()
	if err := pods.Informer().SetTransform(withoutManagedFields); err != nil {
		return nil, nil, err
	}
	resolver, err := podinfo.NewInformerResolver(pods.Informer())
	if err != nil {
		return nil, nil, err
	}
	known := podinfo.NewInformerProvider(pods, namespaces, nil, []podinfo.IPResolver{resolver})
	standard := networkpolicy.NewStandardNetworkPolicy(o.node, namespaces, pods, policies)
	return networkpolicy.NewPolicyEngine(known, []api.PolicyEvaluator{standard}), func() { factory.Start(ctx.Done()) }, nil
}

// withoutManagedFields removes metadata.managedFields from an object to save memory. Policies do not
// depend on it.
func withoutManagedFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func health(engine *networkpolicy.PolicyEngine) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !engine.Ready() {
			http.Error(w, "policies, pods or namespaces are not known yet", http.StatusServiceUnavailable)
		}
	})
	return mux
}
