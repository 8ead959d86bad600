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
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

type options struct {
	kubeconfig, node, healthAddress string
	podCIDR, clusterCIDR            []string
}

// NewCommand returns the command kube-network-policies. It runs until it receives SIGTERM or SIGINT,
// or until it cannot check packets any more. Its iptables rules remain after that, and the kernel then
// drops the packets that they queue.
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
	cmd.Flags().StringSliceVar(&o.podCIDR, "pod-cidr", nil, "the address ranges of the pods of this node, one of each IP family")
	cmd.Flags().StringSliceVar(&o.clusterCIDR, "cluster-cidr", nil, "the address ranges of all pods, one of each IP family")
	cmd.Flags().StringVar(&o.healthAddress, "healthz-bind-address", "127.0.0.1:10262", "address that serves /healthz, which returns 200 once the policies are known and packets are checked")
	verbosity := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(verbosity)
	cmd.Flags().AddGoFlagSet(verbosity)
	return cmd
}

func (o options) run(ctx context.Context) error {
	factory, err := o.factory()
	if err != nil {
		return err
	}
	node, err := prefixes("pod-cidr", o.podCIDR)
	if err != nil {
		return err
	}
	cluster, err := prefixes("cluster-cidr", o.clusterCIDR)
	if err != nil {
		return err
	}
	s, err := newState(factory, o.node, node, cluster)
	if err != nil {
		return err
	}
	health := newHealth()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return health.serve(ctx, o.healthAddress) })
	q := queue{decide: s.decide, waiting: make(chan struct{}, maxWaiting)}
	g.Go(func() error { return q.run(ctx) })
	factory.Start(ctx.Done())
	g.Go(func() error {
		if err := s.synced(ctx); err != nil {
			return nil // ctx has ended
		}
		d := datapath{rules: s.rules, changed: s.changed, report: health.report}
		d.run(ctx)
		return nil
	})
	return g.Wait()
}

// factory returns a factory of informers that read from the API server.
func (o options) factory() (informers.SharedInformerFactory, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return informers.NewSharedInformerFactory(client, 0), nil
}

// prefixes parses the address ranges of a flag.
func prefixes(flag string, list []string) ([]netip.Prefix, error) {
	var parsed []netip.Prefix
	for _, value := range list {
		p, err := netip.ParsePrefix(value)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		parsed = append(parsed, p.Masked())
	}
	return parsed, nil
}

// health says whether policies are enforced.
type health struct {
	reason atomic.Pointer[string] // why they are not, or nil
}

func newHealth() *health {
	h := &health{}
	h.report(errors.New("policies, pods or namespaces are not known yet"))
	return h
}

// report sets the reason why policies are not enforced, or nil.
func (h *health) report(err error) {
	if err == nil {
		h.reason.Store(nil)
		return
	}
	reason := err.Error()
	h.reason.Store(&reason)
}

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if reason := h.reason.Load(); reason != nil {
		http.Error(w, *reason, http.StatusServiceUnavailable)
	}
}

// serve serves /healthz until ctx ends.
func (h *health) serve(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.Handle("/healthz", h)
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving health: %w", err)
	}
	return nil
}
