package xmlrpc

import (
	"context"
	"time"

	"postern/domain"
)

// appliedWait bounds how long a call waits for what it changed to be in force.
const appliedWait = 10 * time.Second

// applied waits until a committed number is in force. That it is not so in time
// is no fault of the call, as the change is committed: the reply says false.
func applied(ctx context.Context, wait func(context.Context, int64) error, number int64) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, appliedWait)
	defer cancel()
	err := wait(bounded, number)
	if err == nil {
		return true, nil
	}
	if bounded.Err() != nil || domain.KindOf(err) == domain.Unavailable {
		return false, nil
	}
	return false, err
}
