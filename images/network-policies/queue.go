package networkpolicies

import (
	"context"
	"errors"
	"time"

	"github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/network"
)

// queueNumber is the number of the netfilter queue. No other program is known to use this number.
const queueNumber = 102

// An evaluator decides whether policies allow a packet. EvaluatePacket returns true if they do.
type evaluator interface {
	EvaluatePacket(ctx context.Context, packet *network.Packet) (bool, error)
}

// listen sets a verdict for each packet of the queue until ctx ends or the queue is closed.
func listen(ctx context.Context, e evaluator) (*nfqueue.Nfqueue, error) {
	queue, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: queueNumber,
		// With NfQaCfgFlagGSO, the kernel does not segment large packets before it queues them. With
		// NfQaCfgFlagFailOpen, the kernel accepts packets while the queue is full.
		Flags:        nfqueue.NfQaCfgFlagGSO | nfqueue.NfQaCfgFlagFailOpen,
		MaxPacketLen: 128, // enough for the headers
		MaxQueueLen:  1024,
		Copymode:     nfqueue.NfQnlCopyPacket,
		WriteTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	handle := func(a nfqueue.Attribute) int {
		if a.PacketID == nil || a.Payload == nil {
			return 0
		}
		if err := queue.SetVerdict(*a.PacketID, verdict(ctx, e, *a.Payload)); err != nil {
			klog.ErrorS(err, "Failed to set the verdict for a packet")
		}
		return 0
	}
	err = queue.RegisterWithErrorFunc(ctx, handle, func(err error) int {
		if op := (*netlink.OpError)(nil); ctx.Err() == nil && !(errors.As(err, &op) && (op.Timeout() || op.Temporary())) {
			klog.ErrorS(err, "Failed to receive a packet")
		}
		return 0
	})
	if err != nil {
		return nil, errors.Join(err, queue.Close())
	}
	return queue, nil
}

// verdict returns the netfilter verdict for a packet. It accepts packets that it cannot parse, for
// example because the header is truncated. The evaluator also decides about protocols other than TCP,
// UDP and SCTP, because ParsePacket returns no error for them.
func verdict(ctx context.Context, e evaluator, payload []byte) int {
	packet, err := network.ParsePacket(payload)
	if err != nil {
		return nfqueue.NfAccept
	}
	allowed, err := e.EvaluatePacket(ctx, &packet)
	if err != nil {
		klog.ErrorS(err, "Failed to evaluate a packet", "packet", packet)
	}
	if allowed {
		return nfqueue.NfAccept
	}
	return nfqueue.NfDrop
}
