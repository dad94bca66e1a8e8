-- Matomo's UserId.getUsers.
{{ matomo_visits_by(label='user_id', visits='user_id is not null') }}
