-- Reports follow an expression by its mean probability from here on. What was kept of days without sessions is the share
-- of frames in which it was the likeliest, another number: the baseline of these measures may not mix the two.

DELETE FROM daily_values
WHERE measure IN ('smiling', 'sadness', 'fear', 'anger', 'neutral', 'surprise', 'disgust', 'contempt');
