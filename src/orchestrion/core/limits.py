"""Every bound of the service by name, in the units its name says."""

# Inputs (shapes of decisions §6).
BODY_BYTES_MAX = 512 * 1024
BODY_NESTING_MAX = 32
DOCUMENT_BYTES_MAX = 65_536
DOCUMENT_DEPTH_MAX = 5
INTEGER_DIGITS_MAX = 4_000
TYPE_LENGTH_MAX = 100
WORKER_ID_LENGTH_MAX = 200
OUTPUT_ID_LENGTH_MAX = 200
LEASE_TOKEN_LENGTH_MAX = 100
EMAIL_LENGTH_MAX = 254
REASON_LENGTH_MAX = 500
CURSOR_LENGTH_MAX = 512
IDEMPOTENCY_KEY_LENGTH_MAX = 255
QUERY_BYTES_MAX = 8_192

# Tasks.
PRIORITY_MIN = 0
PRIORITY_MAX = 100
PRIORITY_DEFAULT = 0
ATTEMPTS_MIN = 1
ATTEMPTS_MAX = 10
ATTEMPTS_DEFAULT = 3
LEASE_SECONDS_MIN = 30
LEASE_SECONDS_MAX = 3_600
LEASE_SECONDS_DEFAULT = 300
RETRY_AFTER_SECONDS_MIN = 1
RETRY_AFTER_SECONDS_MAX = 86_400
SCHEDULE_AHEAD_SECONDS_MAX = 30 * 24 * 3_600
SCHEDULE_BEHIND_SECONDS_MAX = 60

# Several tasks in one request.
BATCH_ITEMS_MAX = 100
BATCH_BODY_BYTES_MAX = 2 * 1024 * 1024
BATCH_BESIDE_BYTES_MAX = 64 * 1024
BATCH_NAMES_MAX = 100
# So much of a batch is read before others have their turn.
BATCH_BYTES_AT_ONCE = 64 * 1024
CLAIM_TASKS_MIN = 1
CLAIM_TASKS_MAX = 50
TASK_ID_LENGTH_MAX = 100

# Claims that wait.
WAIT_SECONDS_MAX = 50
WAIT_SECONDS_DEFAULT = 20
WAIT_TASKS_MAX = 100
CLAIM_TYPES_MAX = 10
WAITERS_MAX = 1_500
WAITERS_PER_ACCOUNT_MAX = 1_000
WAITERS_PER_WORKER = 2
WAITERS_FULL_WAIT_SECONDS = 5
WATCHED_TASKS_MAX = 10_000
# Waits that begin or end together read so many at a time.
WAIT_READS_MAX = 64
# The same task counts as often as somebody waits for it: so many are told of a commit at most.
WATCH_ENTRIES_MAX = 25_000
WAITED_CLAIM_WAIT_SECONDS = 1
# A look for waiting claims sees the leases of an account that end so soon, and so many of them.
LOOK_SECONDS_AHEAD = 10
LOOK_LEASES_MAX = 100

# Lists.
PAGE_SIZE_MIN = 1
PAGE_SIZE_MAX = 100
PAGE_SIZE_DEFAULT = 20

# Time.
IDEMPOTENCY_LIFE_SECONDS = 7 * 24 * 3_600
CYCLE_SECONDS = 30 * 24 * 3_600
WINDOW_SECONDS = 3_600
DISCOVERY_WINDOW_SECONDS = 60
REGISTRATIONS_PER_HOUR = 10
# PayPal sends all its events from a few addresses, so they are counted apart from other requests.
EVENTS_PER_MINUTE = 600
EVENTS_WINDOW_SECONDS = 60
EMPTY_CLAIM_WAIT_SECONDS = 5
CHECK_WAIT_SECONDS_MAX = 30
SERVER_ERROR_WAIT_SECONDS = 5
IN_FLIGHT_WAIT_SECONDS = 2
MAX_WORKERS_WAIT_SECONDS_MAX = 30
HEARTBEATS_PER_LEASE = 3
CHECKOUT_SECONDS = 3 * 3_600
# After these a checkout whose order was never recorded keeps nobody from the next.
CHECKOUT_START_SECONDS = 60
# So long before a checkout ends the job begins to look whether it was approved: whoever takes the
# money forgets an order about when it ends here.
CHECKOUT_LAST_LOOKS_SECONDS = 600
# Until these are over an order may not be found though it exists.
ORDER_UNSEEN_SECONDS = 300
# After these the job looks what became of a capture.
CAPTURE_SETTLE_SECONDS = 60
NOT_APPROVED_WAIT_SECONDS = 30
MONEY_PENDING_WAIT_SECONDS = 60
PAYMENTS_WAIT_SECONDS = 5
BILLING_SECONDS = 30 * 24 * 3_600
# No plan is paid for further ahead than these.
PLAN_DAYS_AHEAD_MAX = 36_500
# After these a release counts as a failure, so that a task cannot be handed to and fro for ever.
RELEASES_MAX = 10

# Batches and jobs.
EXPIRE_BATCH_MAX = 500
PURGE_BATCH_MAX = 500
CLAIM_OVERDUE_MARGIN = 32
# As many as one claim hands out: while one of them is held, no other is claimed under the key.
HELD_UNDER_KEY_MAX = CLAIM_TASKS_MAX
AGAIN_MAX = 256

# Explanations.
COUNTED_MAX = 1_000
SIMILAR_TYPES_MAX = 3
# Compared for one claim at most; what looks nearest is compared first.
SIMILAR_LETTERS_MAX = 10_000
TYPES_COMPARED_MAX = 200
TYPES_ASKED_MAX = 200

# Numbers of tasks.
STATS_SECONDS = 2
STATS_ACCOUNTS_MAX = 1_000
STATS_TYPES_READ_MAX = 1_000
STATS_TYPES_MAX = 100
RATE_SECONDS = 60
TASK_MINUTES_SECONDS = 3_600
