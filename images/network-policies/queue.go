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

// queueNumber is the netfilter queue, one of those that no other program is known for.
const queueNumber = 102

// A judge says whether a packet may pass.
type judge interface {
	EvaluatePacket(ctx context.Context, packet *network.Packet) (bool, error)
}

// listen answers for every packet of the queue until ctx ends or the queue is closed.
func listen(ctx context.Context, j judge) (*nfqueue.Nfqueue, error) {
	queue, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: queueNumber,
		// Without it the kernel would cut large packets up first; when the queue is full,
		// packets pass.
		Flags:        nfqueue.NfQaCfgFlagGSO | nfqueue.NfQaCfgFlagFailOpen,
		MaxPacketLen: 128, // headers
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
		if err := queue.SetVerdict(*a.PacketID, verdict(ctx, j, *a.Payload)); err != nil {
			klog.ErrorS(err, "Could not answer for a packet")
		}
		return 0
	}
	err = queue.RegisterWithErrorFunc(ctx, handle, func(err error) int {
		if op := (*netlink.OpError)(nil); ctx.Err() == nil && !(errors.As(err, &op) && (op.Timeout() || op.Temporary())) {
			klog.ErrorS(err, "Could not receive a packet")
		}
		return 0
	})
	if err != nil {
		return nil, errors.Join(err, queue.Close())
	}
	return queue, nil
}

// verdict lets pass what no policy can speak of: policies are about TCP, UDP and SCTP.
func verdict(ctx context.Context, j judge, payload []byte) int {
	packet, err := network.ParsePacket(payload)
	if err != nil {
		return nfqueue.NfAccept
	}
	allowed, err := j.EvaluatePacket(ctx, &packet)
	if err != nil {
		klog.ErrorS(err, "Could not judge a packet", "packet", packet)
	}
	if allowed {
		return nfqueue.NfAccept
	}
	return nfqueue.NfDrop
}
